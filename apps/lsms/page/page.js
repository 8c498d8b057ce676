// SPDX-License-Identifier: Apache-2.0
"use strict";

const COLOURS = ["#ffdd00", "#4de3ff", "#ff8ad8", "#9dff7a", "#ffa64d", "#c0a3ff"];
const $ = (id) => document.getElementById(id);
const state = { study: null, size: null, slice: 0, answers: [], images: new Map(), asked: 0 };

async function call(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer; is it still running?");
  }
  if (response.ok) return response;
  const content = await response.json().catch(() => ({}));
  const detail = Array.isArray(content.detail) ? content.detail.map((one) => one.msg).join("; ") : content.detail;
  const login = response.status === 401 || response.status === 403;
  throw new Error(login ? "This server asks for a login, which this page does not have." : detail || `Error ${response.status}`);
}

function showError(error) {
  $("error").textContent = error ? error.message : "";
  $("error").hidden = !error;
  if (error) $("status").textContent = "";
}

const address = (study) => `api/studies/${encodeURIComponent(study)}`;

async function openStudy(study) {
  Object.assign(state, { study, size: null, answers: [], images: new Map(), asked: state.asked + 1 });
  showAnswers([]);
  $("status").textContent = "Opening the study …";
  const size = await (await call(address(study))).json();
  if (study !== state.study) return;
  state.size = size;
  $("status").textContent = "";
  $("slice").max = size.num_slices - 1;
  goTo(Math.floor(size.num_slices / 2));
}

function goTo(slice) {
  if (!state.size) return;
  state.slice = Math.min(Math.max(slice, 0), state.size.num_slices - 1);
  $("slice").value = state.slice;
  $("position").textContent = `${state.slice + 1} / ${state.size.num_slices}`;
  draw();
}

function picture(slice) {
  const [lower, upper] = $("window").value.split(",");
  const key = `${slice},${lower},${upper}`;
  if (!state.images.has(key)) {
    const image = new Image();
    image.onload = draw;
    image.onerror = () => showError(new Error(`Slice ${slice + 1} cannot be shown.`));
    image.src = `${address(state.study)}/slices/${slice}?lower=${lower}&upper=${upper}`;
    state.images.set(key, image);
  }
  return state.images.get(key);
}

function draw() {
  if (!state.size) return;
  const { width, height, width_mm, height_mm } = state.size;
  const canvas = $("canvas");
  const ratio = width_mm / height_mm;
  const room = Math.min($("viewer").clientWidth, Math.max(220, window.innerHeight * 0.74) * ratio);
  const density = window.devicePixelRatio || 1;
  canvas.style.width = `${room}px`;
  canvas.style.height = `${room / ratio}px`;
  canvas.width = Math.round(room * density);
  canvas.height = Math.round((room / ratio) * density);
  const context = canvas.getContext("2d");
  const image = picture(state.slice);
  if (!image.complete || !image.naturalWidth) return;
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  const [x, y] = [canvas.width / width, canvas.height / height];
  state.answers.forEach((answer, index) => {
    const lines = answer.hidden ? [] : answer.contours[state.slice] || [];
    context.beginPath();
    for (const [x1, y1, x2, y2] of lines) {
      context.moveTo(x1 * x, y1 * y);
      context.lineTo(x2 * x, y2 * y);
    }
    context.lineCap = "square";
    for (const [thickness, colour] of [[4, "rgba(0, 0, 0, 0.55)"], [2, COLOURS[index % COLOURS.length]]]) {
      context.lineWidth = thickness * density;
      context.strokeStyle = colour;
      context.stroke();
    }
  });
}

function element(tag, text, className) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function describe(answer, index) {
  const item = document.createElement("li");
  item.style.setProperty("--colour", COLOURS[index % COLOURS.length]);
  item.append(element("h2", answer.expression));
  item.append(element("p", answer.summary, answer.found ? "found" : "missing"));
  if (answer.resolution) item.append(element("p", answer.resolution, "note"));
  if (answer.unknown_words && answer.unknown_words.length) {
    item.append(element("p", `Words that are not known: ${answer.unknown_words.join(", ")}`, "note"));
  }
  if (answer.found) {
    const slices = Object.keys(answer.contours).map(Number);
    const [first, last] = [Math.min(...slices) + 1, Math.max(...slices) + 1];
    const where = first === last ? `slice ${first}` : `slices ${first} to ${last}`;
    const on = answer.lesions.length === 1 ? "On" : "Mostly on";
    const side = answer.side === "middle" ? "Near the middle" : `${on} the patient's ${answer.side} side`;
    item.append(element("p", `${side} of the image, ${where}.`));
    const link = element("a", "Download the mask");
    link.href = answer.mask;
    link.setAttribute("download", "");
    const show = element("button", "Hide the contour", "quiet");
    show.type = "button";
    show.onclick = () => {
      answer.hidden = !answer.hidden;
      show.textContent = answer.hidden ? "Show the contour" : "Hide the contour";
      draw();
    };
    const actions = element("p", "", "actions");
    actions.append(link, show);
    item.append(actions);
  }
  return item;
}

function showAnswers(answers, warnings = []) {
  state.answers = answers;
  $("answers").replaceChildren(...answers.map(describe));
  $("status").textContent = warnings.join(" ");
}

async function ask() {
  const asked = ++state.asked;
  showError(null);
  showAnswers([]);
  draw();
  $("status").textContent = "Looking …";
  $("find").disabled = true;
  try {
    const response = await call(`${address(state.study)}/answers`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ prompt: $("prompt").value }),
    });
    const content = await response.json();
    if (asked !== state.asked) return; // another study was opened meanwhile
    showAnswers(content.answers, content.warnings);
    const found = content.answers.find((answer) => answer.found);
    goTo(found ? found.largest_slice : state.slice);
  } catch (error) {
    if (asked === state.asked) showError(error);
  } finally {
    $("find").disabled = false;
  }
}

function onKey(event) {
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || event.ctrlKey || event.altKey || event.metaKey) return;
  const last = state.size ? state.size.num_slices - 1 : 0;
  const steps = { ArrowUp: 1, ArrowDown: -1, PageUp: 5, PageDown: -5, Home: -last, End: last };
  if (!(event.key in steps)) return;
  event.preventDefault();
  goTo(state.slice + steps[event.key]);
}

function onWheel(event) {
  if (event.ctrlKey) return; // zoom of the browser
  event.preventDefault();
  onWheel.moved = (onWheel.moved || 0) + event.deltaY;
  const steps = Math.trunc(onWheel.moved / 50);
  onWheel.moved -= steps * 50;
  if (steps) goTo(state.slice - Math.sign(steps));
}

async function start() {
  $("stage").addEventListener("wheel", onWheel, { passive: false });
  document.addEventListener("keydown", onKey);
  window.addEventListener("resize", draw);
  $("slice").addEventListener("input", () => goTo(Number($("slice").value)));
  $("window").addEventListener("change", draw);
  $("study").addEventListener("change", () => {
    showError(null);
    openStudy($("study").value).catch(showError);
  });
  $("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  $("prompt").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    if (!$("find").disabled) ask();
  });
  const studies = await (await call("api/studies")).json();
  if (!studies.length) throw new Error("There is no study in the server's folder yet.");
  $("study").replaceChildren(...studies.map((study) => new Option(study, study)));
  await openStudy(studies[0]);
}

start().catch(showError);
