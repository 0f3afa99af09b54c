// A canvas to draw on: sharp on every screen, in the colours of the page's style.

const FONT = "11px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";

export class Pen {
  constructor(canvas) {
    this.canvas = canvas;
    this.to = canvas.getContext("2d");
  }

  // Begins anew: an empty canvas of the size and in the colours that it has now.
  clear() {
    const { canvas, to } = this;
    const { clientWidth: width, clientHeight: height } = canvas;
    const dots = devicePixelRatio || 1;
    const [wide, tall] = [Math.round(width * dots), Math.round(height * dots)];
    if (canvas.width !== wide || canvas.height !== tall) Object.assign(canvas, { width: wide, height: tall });
    to.setTransform(dots, 0, 0, dots, 0, 0);
    to.clearRect(0, 0, width, height);
    to.font = FONT;
    to.lineJoin = "round";
    this.style = getComputedStyle(canvas);
    this.colours = new Map();
    return { width, height };
  }

  // A colour of the style by its name, such as `--up`.
  colour(name) {
    let colour = this.colours.get(name);
    if (!colour) this.colours.set(name, (colour = this.style.getPropertyValue(name).trim()));
    return colour;
  }

  line(x0, y0, x1, y1, colour, dash = []) {
    const { to } = this;
    to.strokeStyle = this.colour(colour);
    to.lineWidth = 1;
    to.setLineDash(dash);
    to.beginPath();
    to.moveTo(Math.round(x0) + 0.5, Math.round(y0) + 0.5);
    to.lineTo(Math.round(x1) + 0.5, Math.round(y1) + 0.5);
    to.stroke();
    to.setLineDash([]);
  }

  box(x, y, width, height, colour, alpha = 1) {
    this.to.globalAlpha = alpha;
    this.to.fillStyle = this.colour(colour);
    this.to.fillRect(x, y, width, height);
    this.to.globalAlpha = 1;
  }

  text(text, x, y, colour, align = "left", size = null) {
    const { to } = this;
    to.fillStyle = this.colour(colour);
    to.textAlign = align;
    to.textBaseline = "middle";
    if (size) to.font = FONT.replace("11px", `${size}px`);
    to.fillText(text, x, y);
    to.font = FONT;
  }

  width(text) {
    return this.to.measureText(text).width;
  }

  // Draws only left of `right`.
  within(right, height, draw) {
    this.to.save();
    this.to.beginPath();
    this.to.rect(0, 0, right, height);
    this.to.clip();
    draw();
    this.to.restore();
  }
}
