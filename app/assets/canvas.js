"use strict";
// Boxes in points of the page, as everywhere. `edits` maps a region's id to {label, box}, or to null for a deleted one;
// it is all that the server keeps, and each undo step is one such map. Not editable: regions are pointed at and chosen.

const SVG = "http://www.w3.org/2000/svg";
const SMALLEST = 4; // points; a shorter drag on an empty place is a click
const find = (id) => document.getElementById(id);
const sheet = find("page");
const histories = new Map(); // page token -> {past, edits, future}
const HOW_TO_EDIT = "Drag a box to move it, a corner to resize it, an empty place to add one. Arrow keys move, with Shift resize.";
const HOW_TO_LOOK = "Click a box for its text; it is marked in the table too.";
let args = null, state = null, selected = null, drag = null, zoom = 1, pointed = null, pressed = null, numTurns = 0;

const send = (type, data) => window.parent.postMessage({ isStreamlitMessage: true, type, ...data }, "*");
// Streamlit calls nobody for a value equal to the last one, so the turns are counted.
const report = (turn = 0) => {
  if (turn) numTurns += 1;
  const value = { token: args.token, edits: state.edits, selected, turn, numTurns };
  send("streamlit:setComponentValue", { dataType: "json", value });
};

window.addEventListener("message", ({ data, source }) => {
  if (source !== window.parent || data.type !== "streamlit:render") return;
  const isNew = !args || args.token !== data.args.token, before = args;
  args = data.args;
  if (!histories.has(args.token)) histories.set(args.token, { past: [], edits: args.edits, future: [] });
  state = histories.get(args.token);
  if (isNew) drag = pointed = null;
  // a choice made elsewhere counts once: an older answer of the server must not take a newer choice here back
  if (isNew || before.focus.count !== args.focus.count) selected = args.focus.id;
  document.body.classList.toggle("editable", args.editable);
  applyTheme(data.theme);
  find("label").replaceChildren(...args.labels.map(({ name }, i) => new Option(`${i + 1} ${name}`, name)));
  draw();
});

function applyTheme(theme) {
  if (!theme) return;
  const set = (name, value) => value && document.documentElement.style.setProperty(name, value);
  set("--text", theme.textColor);
  set("--face", theme.secondaryBackgroundColor);
  set("--primary", theme.primaryColor);
}

function regions() {
  const all = args.regions.filter(({ id }) => !(id in state.edits));
  const edited = Object.entries(state.edits).filter(([, edit]) => edit);
  return [
    ...all.filter(({ label, score }) => score >= args.min_scores[label]),
    ...edited.map(([id, edit]) => ({ id, ...edit, corrected: true })),
  ].filter(({ label }) => args.shown.includes(label));
}

const current = () => regions().find(({ id }) => id === selected);

function commit(edits) {
  state.past.push(state.edits);
  state.future = [];
  state.edits = edits;
  draw();
  report();
}

function change(id, label, box) {
  commit({ ...state.edits, [id]: { label, box: box.map((edge) => Math.round(edge * 100) / 100) } });
}

function remove() {
  if (!current()) return;
  const edits = { ...state.edits, [selected]: null };
  if (selected.startsWith("u")) delete edits[selected];
  selected = null;
  commit(edits);
}

function step(from, to) {
  if (!from.length) return;
  to.push(state.edits);
  state.edits = from.pop();
  draw();
  report();
}

const undo = () => step(state.past, state.future);
const redo = () => step(state.future, state.past);

function relabel(name) {
  const region = current();
  if (region && name !== region.label) change(region.id, name, region.box);
}

function make(name, attributes, parent) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

function draw() {
  const hadFocus = sheet.contains(document.activeElement);
  sheet.replaceChildren();
  sheet.setAttribute("viewBox", `0 0 ${args.width} ${args.height}`);
  sheet.style.width = `${100 * zoom}%`;
  make("image", { href: args.picture, width: args.width, height: args.height, preserveAspectRatio: "none" }, sheet);
  const list = regions();
  for (const region of list) drawRegion(drag && drag.id === region.id ? { ...region, box: drag.box } : region);
  if (drag && drag.id === null) drawBox({ label: args.labels[0].name, box: drag.box }, "box selected");
  const region = current();
  if (region) {
    find("label").value = region.label;
    if (args.editable) drawHandles(drag ? drag.box : region.box);
  }
  find("label").disabled = find("delete").disabled = !region;
  find("undo").disabled = !state.past.length;
  find("redo").disabled = !state.future.length;
  if (hadFocus && selected) sheet.querySelector(`[data-id="${selected}"]`)?.focus({ preventScroll: true });
  hint();
  send("streamlit:setFrameHeight", { height: document.documentElement.offsetHeight + 4 });
}

function hint() {
  const region = regions().find(({ id }) => id === (pointed ?? selected));
  find("hint").textContent = region && !drag ? `${said(region)}${args.hints[region.id] ? `: ${args.hints[region.id]}` : ""}`
    : args.editable ? HOW_TO_EDIT : args.regions.length ? HOW_TO_LOOK : "";
}

const said = ({ label, score, corrected }) => `${label}${corrected ? ", corrected" : ` ${score.toFixed(2)}`}`;
const colour = (label) => args.labels.find(({ name }) => name === label).colour;

function drawBox({ label, box: [x0, y0, x1, y1] }, className) {
  const place = { x: x0, y: y0, width: x1 - x0, height: y1 - y0 };
  return make("rect", { ...place, class: className, fill: colour(label), stroke: colour(label) }, sheet);
}

function drawRegion(region) {
  const isSelected = region.id === selected;
  const rect = drawBox(region, `box${region.corrected ? " corrected" : ""}${isSelected ? " selected" : ""}`);
  for (const [key, value] of Object.entries({ "data-id": region.id, tabindex: 0, role: "button" })) rect.setAttribute(key, value);
  rect.setAttribute("aria-label", said(region));
  rect.setAttribute("aria-pressed", isSelected);
  rect.addEventListener("focus", () => { if (selected !== region.id && !drag) select(region.id); });
  rect.addEventListener("pointerenter", () => { pointed = region.id; hint(); });
  rect.addEventListener("pointerleave", () => { pointed = null; hint(); });
  const number = args.order[region.id];
  if (!number) return;
  const width = 6 + 5 * String(number).length, y = region.box[1];
  const x = Math.max(0, region.box[0] - width - 1); // beside the box, where it hides no letter
  make("rect", { x, y, width, height: 10, class: "badge", fill: colour(region.label) }, sheet);
  make("text", { x: x + 3, y: y + 8, class: "order" }, sheet).textContent = number;
}

function drawHandles([x0, y0, x1, y1]) {
  const point = args.width / sheet.getBoundingClientRect().width; // points in a pixel of the screen
  const middle = [(x0 + x1) / 2, (y0 + y1) / 2];
  const places = { nw: [x0, y0], n: [middle[0], y0], ne: [x1, y0], e: [x1, middle[1]],
    se: [x1, y1], s: [middle[0], y1], sw: [x0, y1], w: [x0, middle[1]] };
  for (const [side, [x, y]] of Object.entries(places)) {
    make("rect", { x: x - 4 * point, y: y - 4 * point, width: 8 * point, height: 8 * point, class: "handle" }, sheet);
    const grip = { x: x - 11 * point, y: y - 11 * point, width: 22 * point, height: 22 * point }; // a fingertip
    make("rect", { ...grip, class: "grip", "data-side": side, style: `cursor:${side}-resize` }, sheet);
  }
}

function select(id) {
  selected = id;
  draw();
  report();
}

function place(event) {
  const frame = sheet.getBoundingClientRect();
  return [
    clamp(((event.clientX - frame.left) / frame.width) * args.width, 0, args.width),
    clamp(((event.clientY - frame.top) / frame.height) * args.height, 0, args.height),
  ];
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function moved([x0, y0, x1, y1], side, dx, dy) {
  if (side === "move") {
    dx = clamp(dx, -x0, args.width - x1);
    dy = clamp(dy, -y0, args.height - y1);
    return [x0 + dx, y0 + dy, x1 + dx, y1 + dy];
  }
  return [
    side.includes("w") ? clamp(x0 + dx, 0, x1 - SMALLEST) : x0,
    side.includes("n") ? clamp(y0 + dy, 0, y1 - SMALLEST) : y0,
    side.includes("e") ? clamp(x1 + dx, x0 + SMALLEST, args.width) : x1,
    side.includes("s") ? clamp(y1 + dy, y0 + SMALLEST, args.height) : y1,
  ];
}

sheet.addEventListener("pointerdown", (event) => {
  if (!args || drag || event.button !== 0) return;
  event.preventDefault();
  if (!args.editable) {
    pressed = { x: event.clientX, y: event.clientY, id: event.target.dataset.id ?? null };
    return;
  }
  sheet.setPointerCapture(event.pointerId);
  const start = place(event);
  const { side, id } = event.target.dataset;
  if (!side) selected = id ?? null;
  const region = current();
  drag = { pointer: event.pointerId, start, id: selected, side: side ?? "move", first: region?.box, box: region?.box ?? [...start, ...start] };
  draw();
});

sheet.addEventListener("pointermove", (event) => {
  if (drag?.pointer !== event.pointerId) return;
  const [x, y] = place(event), [x0, y0] = drag.start;
  drag.box = drag.first ? moved(drag.first, drag.side, x - x0, y - y0)
    : [Math.min(x, x0), Math.min(y, y0), Math.max(x, x0), Math.max(y, y0)];
  draw();
});

sheet.addEventListener("pointerup", (event) => {
  if (pressed && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) < 6) {
    if (pressed.id !== selected) select(pressed.id);
    if (selected) sheet.querySelector(`[data-id="${selected}"]`)?.focus({ preventScroll: true });
  }
  pressed = null;
  if (drag?.pointer !== event.pointerId) return;
  const { id, first, box } = drag, region = current();
  drag = null;
  const [x0, y0, x1, y1] = box;
  if (first && box.some((edge, i) => Math.abs(edge - first[i]) > 0.5)) change(id, region.label, box);
  else if (!first && x1 - x0 >= SMALLEST && y1 - y0 >= SMALLEST) {
    selected = `u${crypto.getRandomValues(new Uint32Array(1))[0]}`;
    change(selected, args.shown[0] ?? args.labels[0].name, box);
  } else select(selected);
  if (selected) sheet.querySelector(`[data-id="${selected}"]`)?.focus({ preventScroll: true });
});

sheet.addEventListener("pointercancel", () => { drag = pressed = null; draw(); });

document.addEventListener("keydown", (event) => {
  if (!args || event.target.tagName === "SELECT") return;
  const key = event.key.toLowerCase(), region = current();
  const arrow = { arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1] }[key];
  const isHeld = event.ctrlKey || event.metaKey || event.altKey;
  if (!isHeld && (key === "+" || key === "-")) setZoom(key === "+" ? 1.25 : 0.8);
  else if (key === "pageup" || key === "pagedown") report(key === "pageup" ? -1 : 1); // the app hears no key from here
  else if (key === "escape") select(null);
  else if (!args.editable) return;
  else if ((event.ctrlKey || event.metaKey) && key === "z") event.shiftKey ? redo() : undo();
  else if ((event.ctrlKey || event.metaKey) && key === "y") redo();
  else if (isHeld) return;
  else if (key === "delete" || key === "backspace") remove();
  else if (args.labels[Number(key) - 1]) relabel(args.labels[Number(key) - 1].name);
  else if (arrow && region) change(region.id, region.label, moved(region.box, event.shiftKey ? "se" : "move", ...arrow));
  else return;
  event.preventDefault();
});

function setZoom(factor) {
  zoom = clamp(zoom * factor, 1, 4);
  draw();
}

find("label").addEventListener("change", (event) => relabel(event.target.value));
find("delete").addEventListener("click", remove);
find("undo").addEventListener("click", undo);
find("redo").addEventListener("click", redo);
find("in").addEventListener("click", () => setZoom(1.25));
find("out").addEventListener("click", () => setZoom(0.8));
window.addEventListener("resize", () => args && draw());
send("streamlit:componentReady", { apiVersion: 1 });
