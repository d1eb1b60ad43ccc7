"use strict";

const at = (id) => document.getElementById(id);
let language = localStorage.getItem("language") || (navigator.language.startsWith("zh") ? "zh" : "en");
let service = null;
let shown = null;

function word(name, ...values) {
  return WORDS[language][name].replace(/\{(\d)\}/g, (_, place) => values[Number(place)]);
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
  for (const spot of document.querySelectorAll("[data-word]")) spot.textContent = word(spot.dataset.word);
  at("language").textContent = word("other");
  at("language").lang = language === "zh" ? "en" : "zh-Hans";
  if (service) showService();
  if (shown) showAnswer();
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

function showParts(text, explained) {
  const largest = Math.max(...explained.parts.map((part) => Math.abs(part.weight)), 0.01);
  const pieces = [];
  let end = 0;
  // The server counts characters, a script counts UTF-16 units.
  const letters = Array.from(text);
  for (const part of explained.parts) {
    pieces.push(document.createTextNode(letters.slice(end, part.start).join("")));
    const strength = Math.abs(part.weight) / largest;
    const weight = `${part.weight >= 0 ? "+" : "−"}${percent(Math.abs(part.weight))}`;
    const mark = element("mark", part.text, { title: weight });
    if (strength > 0.15) mark.className = part.weight > 0 ? "for" : "against";
    mark.style.backgroundColor = `rgba(var(--${part.weight > 0 ? "for" : "against"}), ${(0.3 * strength).toFixed(3)})`;
    pieces.push(mark);
    end = part.end;
  }
  pieces.push(document.createTextNode(letters.slice(end).join("")));
  at("parts").replaceChildren(...pieces);
  at("method").textContent = explained.method;
}

function showAnswer() {
  const { text, prediction, explained, corrected } = shown;
  at("class").textContent = `${prediction.class} (${percent(prediction.confidence)})`;
  showScores(prediction);
  if (explained) showParts(text, explained);
  at("classes").replaceChildren(...service.classes.map((name) => {
    const button = element("button", name, { type: "button", "aria-pressed": String(corrected === name) });
    button.addEventListener("click", () => correct(name));
    return button;
  }));
  at("thanks").textContent = corrected ? word("thanks") : "";
  at("answer").hidden = false;
}

async function showRecent() {
  const { answers } = await ask("/v1/recent");
  const rows = answers.map((answer) => {
    const row = document.createElement("tr");
    const label = answer.corrected ? `${answer.class} (${word("corrected", answer.corrected)})` : answer.class;
    const text = answer.text === null || answer.text === undefined ? word("not-kept") : answer.text;
    const cells = [new Date(answer.at).toLocaleTimeString(language), text, label, percent(answer.confidence), answer.version ?? "–"];
    row.append(...cells.map((cell) => element("td", cell)));
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
  const sign = trial.advantage >= 0 ? "+" : "−";
  const facts = {
    mode: trial.mode, pair: word("against", trial.champion, trial.challenger), pairs: trial.pairs,
    advantage: `${sign}${percent(Math.abs(trial.advantage))}`, decision: trial.decision,
  };
  at("trial-facts").replaceChildren(...Object.entries(facts).flatMap(([name, value]) => [element("dt", word(name)), element("dd", value)]));
}

async function refresh() {
  try {
    service = await ask("/v1/versions");
    at("key-line").hidden = at("key-line").hidden && !sessionStorage.getItem("key");
    showService();
    await Promise.all([showRecent(), showTrial()]);
  } catch (error) {
    tell(error);
  }
}

async function classify(event) {
  event.preventDefault();
  const text = at("content").value;
  tell(null);
  at("send").disabled = true;
  at("send").textContent = word("sending");
  try {
    if (!service) await refresh();
    const { predictions } = await ask("/v1/predict", { text });
    shown = { text, prediction: predictions[0], explained: null, corrected: null };
    shown.explained = await ask("/v1/explain", { text, class: predictions[0].class });
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
    await ask("/v1/feedback", { id: shown.prediction.id, class: name, text: shown.text });
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
