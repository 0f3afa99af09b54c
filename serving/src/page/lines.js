// Indicators on a chart: each output a curve, a histogram as columns. What leads to a peek (the value on a
// bar that is still open) is dashed.

// Beside the main curve of an indicator these are drawn finer.
const FINE = new Set(["upper", "lower", "signal"]);

// Draws the bars `first` to `last` of a line.
export function drawLine(pen, window, [first, last], line, scale) {
  for (const [name, points] of line.outputs) {
    if (name === "histogram") columns(pen, window, [first, last], points, scale, line.colour);
    else curve(pen, window, [first, last], points, scale, line.colour, FINE.has(name) ? 0.55 : 1);
  }
}

// All values of lines from one bar to another.
export function valuesOf(lines, [first, last]) {
  const values = [];
  for (const line of lines) {
    for (const points of line.outputs.values()) {
      for (let at = first; at <= last; at++) if (points[at]) values.push(points[at].value);
    }
  }
  return values;
}

function curve(pen, window, [first, last], points, scale, colour, alpha) {
  const { to } = pen;
  to.strokeStyle = pen.colour(`--i${colour}`);
  to.globalAlpha = alpha;
  to.lineWidth = 1.4;
  for (const peeks of [false, true]) {
    to.setLineDash(peeks ? [3, 3] : []);
    to.beginPath();
    for (let at = Math.max(1, first); at <= last; at++) {
      const [from, until] = [points[at - 1], points[at]];
      if (!from || !until || until.peek !== peeks) continue;
      to.moveTo(window.x(at - 1), scale.y(from.value));
      to.lineTo(window.x(at), scale.y(until.value));
    }
    to.stroke();
  }
  to.setLineDash([]);
  to.globalAlpha = 1;
}

function columns(pen, window, [first, last], points, scale, colour) {
  const wide = Math.max(1, window.step * 0.5);
  for (let at = first; at <= last; at++) {
    if (!points[at]) continue;
    const [zero, y] = [scale.y(0), scale.y(points[at].value)];
    const alpha = points[at].peek ? 0.15 : 0.3;
    pen.box(window.x(at) - wide / 2, Math.min(zero, y), wide, Math.abs(zero - y), `--i${colour}`, alpha);
  }
}
