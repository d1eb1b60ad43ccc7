"use strict";

const at = (id) => document.getElementById(id);
let language = localStorage.getItem("language") || (navigator.language.startsWith("zh") ? "zh" : "en");
let service = null;
let shown = null;

function word(name, ...values) {
  return WORDS[language][name].replace(/\{(\d)\}/g, (_, place) => values[Number(place)]);
}

// The word as it is for this kind of content, where it has one of its own.
function spoken(name) {
  const own = service ? `${name}-${service.column}` : name;
  return word(own in WORDS[language] ? own : name);
}

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function percent(share) {
  return new Intl.NumberFormat(language, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(share);
}

// The answer as a value; an Error with the server's own reason otherwise.
async function ask(path, body) {
  const headers = { "Content-Type": "application/json" };
  const key = sessionStorage.getItem("key");
  if (key) headers.Authorization = `Bearer ${key}`;
  let response;
  try {
    response = await fetch(path, body === undefined ? { headers } : { method: "POST", headers, body: JSON.stringify(body) });
  } catch {
    throw new Error(word("unreachable"));
  }
  if (response.status === 401) at("key-line").hidden = false;
  if (response.status === 429) throw new Error(word("busy", response.headers.get("Retry-After") || 1));
  const value = await response.json();
  if (!response.ok) throw new Error(value.error);
  return value;
}

function tell(error) {
  at("error").textContent = error ? error.message : "";
}

function translate() {
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  for (const spot of document.querySelectorAll("[data-word]")) spot.textContent = spoken(spot.dataset.word);
  at("language").textContent = word("other");
  at("language").lang = language === "zh" ? "en" : "zh-Hans";
  if (service) showService();
  if (shown) showAnswer();
}

function showForm() {
  const image = service.column === "image";
  for (const [name, wanted] of [["content", !image], ["picture", image]]) {
    at(name).hidden = !wanted;
    at(name).required = wanted;
  }
  at("content-label").htmlFor = image ? "picture" : "content";
}

function showService() {
  at("title").textContent = service.title;
  document.title = service.title;
  at("version").textContent = service.version === null ? word("folder") : word("serving", service.version);
  const lines = service.history.map((entry) => {
    const what = `${new Date(entry.at).toLocaleString(language)} · ${word("version")} ${entry.version ?? "–"} · ${word(entry.kind)}`;
    return element("li", entry.reason ? `${what}: ${entry.reason}` : what);
  });
  at("history").replaceChildren(...(lines.length ? lines : [element("li", word("no-history"))]));
}

function showScores(prediction) {
  const scores = Object.entries(prediction.probabilities).sort((one, two) => two[1] - one[1]);
  at("scores").replaceChildren(...scores.map(([name, share]) => {
    const line = element("div", "", { class: "score" });
    const label = element("span", name, name === prediction.class ? { class: "best" } : {});
    line.append(label, element("meter", percent(share), { min: 0, max: 1, value: share, "aria-label": name }), element("b", percent(share)));
    return line;
  }));
}

function signed(weight) {
  return `${weight >= 0 ? "+" : "−"}${percent(Math.abs(weight))}`;
}

// Mark a part by the side it speaks for, as strongly as its weight is of the largest.
function weigh(mark, weight, largest) {
  const side = weight > 0 ? "for" : "against";
  const strength = Math.abs(weight) / largest;
  if (strength > 0.15) mark.className = side;
  mark.style.backgroundColor = `rgba(var(--${side}), ${(0.3 * strength).toFixed(3)})`;
}

function showExplained(content, explained) {
  const image = service.column === "image";
  const largest = Math.max(...explained.parts.map((part) => Math.abs(part.weight)), 0.01);
  at("parts").hidden = image;
  at("places").hidden = !image;
  (image ? showPlaces : showParts)(content, explained.parts, largest);
  at("method").textContent = explained.method;
}

function showPlaces(content, places, largest) {
  at("shown").src = content;
  at("shown").alt = word("picture");
  const width = Math.max(...places.map((place) => place.right));
  const height = Math.max(...places.map((place) => place.bottom));
  at("grid").replaceChildren(...places.map((place) => {
    const mark = document.createElement("i");
    weigh(mark, place.weight, largest);
    mark.style.left = `${(100 * place.left) / width}%`;
    mark.style.top = `${(100 * place.top) / height}%`;
    mark.style.width = `${(100 * (place.right - place.left)) / width}%`;
    mark.style.height = `${(100 * (place.bottom - place.top)) / height}%`;
    return mark;
  }));
  const [tops, lefts] = ["top", "left"].map((side) => [...new Set(places.map((place) => place[side]))].sort((a, b) => a - b));
  const strongest = [...places].sort((one, two) => Math.abs(two.weight) - Math.abs(one.weight)).slice(0, 3);
  const told = strongest.map((place) => word("place", tops.indexOf(place.top) + 1, lefts.indexOf(place.left) + 1, signed(place.weight)));
  at("strongest").textContent = word("strongest", told.join("; "));
}

function showParts(text, parts, largest) {
  const pieces = [];
  let end = 0;
  // The server counts characters, a script counts UTF-16 units.
  const letters = Array.from(text);
  for (const part of parts) {
    pieces.push(document.createTextNode(letters.slice(end, part.start).join("")));
    const mark = element("mark", part.text, { title: signed(part.weight) });
    weigh(mark, part.weight, largest);
    pieces.push(mark);
    end = part.end;
  }
  pieces.push(document.createTextNode(letters.slice(end).join("")));
  at("parts").replaceChildren(...pieces);
}

function showAnswer() {
  const { content, prediction, explained, corrected } = shown;
  at("class").textContent = `${prediction.class} (${percent(prediction.confidence)})`;
  showScores(prediction);
  if (explained) showExplained(content, explained);
  at("classes").replaceChildren(...service.classes.map((name) => {
    const button = element("button", name, { type: "button", "aria-pressed": String(corrected === name) });
    button.addEventListener("click", () => correct(name));
    return button;
  }));
  at("thanks").textContent = corrected ? word("thanks") : "";
  at("answer").hidden = false;
}

// The content of a recent answer, as far as the server keeps it.
function kept(content) {
  if (content === null || content === undefined) return word("not-kept");
  return service.column === "image" ? element("img", "", { src: content, alt: word("picture") }) : content;
}

async function showRecent() {
  const { answers } = await ask("/v1/recent");
  const rows = answers.map((answer) => {
    const row = document.createElement("tr");
    const label = answer.corrected ? `${answer.class} (${word("corrected", answer.corrected)})` : answer.class;
    const cells = [new Date(answer.at).toLocaleTimeString(language), "", label, percent(answer.confidence), answer.version ?? "–"];
    row.append(...cells.map((cell) => element("td", cell)));
    row.children[1].append(kept(answer[service.column]));
    return row;
  });
  const empty = document.createElement("tr");
  empty.append(element("td", word("none"), { colspan: 5 }));
  at("recent").replaceChildren(...(rows.length ? rows : [empty]));
}

async function showTrial() {
  const { trial } = await ask("/v1/trial");
  at("trial").hidden = !trial;
  if (!trial) return;
  const facts = {
    mode: trial.mode, pair: word("against", trial.champion, trial.challenger), pairs: trial.pairs,
    advantage: signed(trial.advantage), decision: trial.decision,
  };
  at("trial-facts").replaceChildren(...Object.entries(facts).flatMap(([name, value]) => [element("dt", word(name)), element("dd", value)]));
}

async function refresh() {
  try {
    const first = service === null;
    service = await ask("/v1/versions");
    at("key-line").hidden = at("key-line").hidden && !sessionStorage.getItem("key");
    showForm();
    first ? translate() : showService();
    await Promise.all([showRecent(), showTrial()]);
  } catch (error) {
    tell(error);
  }
}

// The text, or the chosen image as a data: URI.
function chosen() {
  if (service.column !== "image") return at("content").value;
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(at("picture").files[0]);
  });
}

async function classify(event) {
  event.preventDefault();
  tell(null);
  at("send").disabled = true;
  at("send").textContent = word("sending");
  try {
    if (!service) await refresh();
    const content = await chosen();
    const record = { [service.column]: content };
    const { predictions } = await ask("/v1/predict", record);
    shown = { content, prediction: predictions[0], explained: null, corrected: null };
    shown.explained = await ask("/v1/explain", { ...record, class: predictions[0].class });
    showAnswer();
    at("answer-heading").focus();
    await showRecent();
  } catch (error) {
    tell(error);
  } finally {
    at("send").disabled = false;
    at("send").textContent = word("send");
  }
}

async function correct(name) {
  try {
    await ask("/v1/feedback", { id: shown.prediction.id, class: name, [service.column]: shown.content });
    shown.corrected = name;
    const place = service.classes.indexOf(name);
    showAnswer();
    at("classes").children[place].focus();
    await Promise.all([showRecent(), showTrial()]);
  } catch (error) {
    tell(error);
  }
}

at("ask").addEventListener("submit", classify);
at("content").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("ask").requestSubmit();
});
at("key").addEventListener("change", () => {
  sessionStorage.setItem("key", at("key").value.trim());
  tell(null);
  refresh();
});
at("language").addEventListener("click", () => {
  language = language === "en" ? "zh" : "en";
  localStorage.setItem("language", language);
  translate();
  refresh();
});
translate();
refresh();
setInterval(() => document.hidden || refresh(), 15000);
