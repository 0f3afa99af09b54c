// The connection: one WebSocket for the subscriptions to several views. Each event stream would take one of the six
// connections that a browser opens to a server, over all of its pages.
//
// When it is lost it is made anew, each time after a longer pause. Nothing is carried over: whoever
// uses this subscribes again when it receives `welcome`, and gets new snapshots.

const PAUSE_MS = 300; // before the first attempt to connect again; doubles
const PAUSE_MOST_MS = 5_000;
const PING_MS = 2_000; // so that silence always means that the connection is dead
const SILENCE_MS = 6_000;

export class Feed {
  // `onState(state, detail)` is called with `connecting`, `welcome` (with the message), `lost` (with the pause in ms).
  constructor(onState) {
    this.onState = onState;
    this.subs = new Map(); // callbacks by subscription
    this.names = new Map(); // by our name for it: the server's
    this.serial = 0;
    this.failed = 0;
    this.#connect();
    setInterval(() => this.#look(), PING_MS);
  }

  // Follows a view in place of the previous one of `name`; `onMessage(message)` is called for each message.
  follow(name, request, onMessage) {
    this.unfollow(name);
    // A name of its own each time: what is on its way for the one before must not be taken for this.
    const sub = `${name}#${this.serial++}`;
    this.names.set(name, sub);
    this.subs.set(sub, onMessage);
    this.#send({ op: "subscribe", id: sub, sub, numbers: "string", ...request });
  }

  unfollow(name) {
    const sub = this.names.get(name);
    if (!sub) return;
    this.names.delete(name);
    this.subs.delete(sub);
    this.#send({ op: "unsubscribe", id: sub, sub });
  }

  #connect() {
    this.onState("connecting");
    this.heardAt = performance.now();
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws`);
    this.socket = socket;
    socket.onmessage = (event) => this.#message(JSON.parse(event.data));
    socket.onclose = () => this.#lost();
  }

  #message(message) {
    this.heardAt = performance.now();
    if (message.type === "welcome") {
      this.failed = 0;
      this.onState("welcome", message);
    } else {
      this.subs.get(message.sub ?? message.id)?.(message);
    }
  }

  #look() {
    if (!this.socket) return; // between two attempts
    if (performance.now() - this.heardAt > SILENCE_MS) this.#lost();
    else this.#send({ op: "ping" });
  }

  #lost() {
    const socket = this.socket;
    this.socket = null;
    // A dead peer would not answer the closing handshake, so nothing more is expected of this one.
    socket.onmessage = socket.onclose = null;
    socket.close();
    this.subs.clear();
    this.names.clear();
    const pause = Math.min(PAUSE_MOST_MS, PAUSE_MS * 2 ** this.failed++) * (0.75 + Math.random() / 2);
    this.onState("lost", pause);
    setTimeout(() => this.#connect(), pause);
  }

  #send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }
}
