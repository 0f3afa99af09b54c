// What pointers, wheel and keys do to a chart: move, zoom, point at a bar.

const KEY_ZOOM = 1.25;

// Lets a chart be handled; `reached()` is called when its oldest bar comes in sight.
export function handle(chart, reached) {
  const { canvas, window } = chart;
  const down = new Map(); // pointers that are pressed, by id: where they were last
  let apart = 0; // two fingers: how far apart they were

  const point = (at, y) => {
    const last = chart.bars.length - 1;
    chart.pointer = at === null || last < 0 ? null : { at: Math.min(last, Math.max(0, at)), y };
    chart.redraw();
  };
  const moved = () => {
    chart.redraw();
    if (window.atStart()) reached();
  };

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, event.offsetX);
    apart = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    if (down.has(event.pointerId)) {
      const before = down.get(event.pointerId);
      down.set(event.pointerId, event.offsetX);
      if (down.size === 1) {
        window.move((event.offsetX - before) / window.step);
      } else {
        const [one, other] = [...down.values()];
        const now = Math.max(10, Math.abs(one - other));
        if (apart) window.zoom(now / apart, (one + other) / 2);
        apart = now;
      }
      moved();
    }
    if (down.size < 2) point(Math.round(window.place(event.offsetX)), event.offsetY);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      down.delete(event.pointerId);
      apart = 0;
    });
  }
  canvas.addEventListener("pointerleave", () => point(null));
  canvas.addEventListener("blur", () => point(null));
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
      if (sideways) window.move(-event.deltaX / window.step);
      else window.zoom(Math.exp(-event.deltaY / 400), event.offsetX);
      moved();
    },
    { passive: false },
  );

  canvas.addEventListener("keydown", (event) => {
    const from = chart.pointer?.at ?? chart.bars.length;
    const step = event.shiftKey ? 10 : 1;
    const keys = {
      ArrowLeft: () => point(from - step, null),
      ArrowRight: () => point(from + step, null),
      "+": () => window.zoom(KEY_ZOOM, window.width / 2),
      "=": () => window.zoom(KEY_ZOOM, window.width / 2),
      "-": () => window.zoom(1 / KEY_ZOOM, window.width / 2),
      Home: () => point(0, null),
      End: () => {
        window.newest();
        point(null);
      },
      Escape: () => point(null),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
    if (chart.pointer) window.reveal(chart.pointer.at);
    moved();
  });
}
