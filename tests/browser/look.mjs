// What is looked at. Each function runs inside of the page and answers what is wrong.

/** Elements that reach out of the screen and are in no box that scrolls or hides them. */
export function overflowing() {
  const wrong = [];
  const root = document.scrollingElement;
  if (root.scrollWidth > innerWidth) wrong.push(`the page is ${root.scrollWidth} wide`);
  const isBoxed = (element) => {
    for (let e = element.parentElement; e && e !== document.body; e = e.parentElement) {
      if (getComputedStyle(e).overflowX !== "visible") return true;
    }
    return false;
  };
  for (const element of document.body.querySelectorAll("*")) {
    const box = element.getBoundingClientRect();
    if (box.width && (box.right > innerWidth + 0.5 || box.left < -0.5) && !isBoxed(element)) {
      wrong.push(`${element.tagName} from ${box.left} to ${box.right}`);
    }
  }
  // A box that hides would be a cut, and nothing is cut.
  for (const element of document.body.querySelectorAll("*")) {
    const { overflowX, display } = getComputedStyle(element);
    if (overflowX === "hidden" && display !== "none" && element.scrollWidth > element.clientWidth + 1) {
      wrong.push(`${element.tagName} hides a part`);
    }
  }
  return wrong;
}

/** Pictures that are wider than what they stand in, or out of shape. */
export function pictures() {
  const wrong = [];
  for (const img of document.images) {
    const box = img.getBoundingClientRect();
    const room = img.parentElement.getBoundingClientRect();
    if (!img.naturalWidth) wrong.push(`${img.src} is not there`);
    if (box.width > room.width + 0.5 && box.right > innerWidth) wrong.push(`${box.width} in ${room.width}`);
    if (Math.abs(box.width / box.height - img.naturalWidth / img.naturalHeight) > 0.05) wrong.push("out of shape");
  }
  return wrong;
}

/** Texts that do not stand out from their ground as WCAG's level AA wants it, or are smaller than 12 pixels. */
export function contrasts() {
  const parse = (color) => {
    const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const over = (top, under) => ({
    r: top.r * top.a + under.r * (1 - top.a),
    g: top.g * top.a + under.g * (1 - top.a),
    b: top.b * top.a + under.b * (1 - top.a),
    a: 1,
  });
  const luminance = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const dark = matchMedia("(prefers-color-scheme: dark)").matches
    && getComputedStyle(document.documentElement).colorScheme.includes("dark");
  const groundOf = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor));
    const page = dark ? { r: 18, g: 18, b: 18, a: 1 } : { r: 255, g: 255, b: 255, a: 1 };
    return layers.reverse().reduce((under, top) => over(top, under), page);
  };
  const wrong = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    const style = getComputedStyle(element);
    if (!node.data.trim() || !element.getClientRects().length || style.fontSize === "0px") continue;
    const ground = groundOf(element);
    const [a, b] = [luminance(over(parse(style.color), ground)), luminance(ground)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    if (size < 12) wrong.push(`${size}px: ${node.data.slice(0, 30)}`);
    if (ratio < 4.5) wrong.push(`${ratio.toFixed(2)}: ${node.data.trim().slice(0, 30)}`);
  }
  return wrong;
}

/** Buttons that a finger misses, or of which only the words can be pressed. */
export function buttons() {
  const wrong = [];
  for (const link of document.querySelectorAll("td.mc-first > a, td.mc-more > a")) {
    const [box, cell] = [link.getBoundingClientRect(), link.parentElement.getBoundingClientRect()];
    if (box.height < 40) wrong.push(`${link.textContent} is ${box.height} high`);
    if (cell.width - box.width > 4 || cell.height - box.height > 8) wrong.push(`${link.textContent} does not fill its cell`);
  }
  return wrong;
}
