"use strict";
// The OpenAPI document as a page; the usual viewers would fetch their code from elsewhere.

function block(title, value) {
  const pre = document.createElement("pre");
  pre.tabIndex = 0;
  pre.setAttribute("aria-label", title);
  pre.textContent = JSON.stringify(value, null, 2);
  const heading = document.createElement("h3");
  heading.textContent = title;
  return [heading, pre];
}

function described(path, method, asked) {
  const section = document.createElement("section");
  const heading = document.createElement("h2");
  heading.textContent = `${method.toUpperCase()} ${path}`;
  const summary = document.createElement("p");
  summary.textContent = asked.summary;
  section.append(heading, summary);
  const body = asked.requestBody?.content["application/json"].schema;
  if (body) section.append(...block("Request body", body));
  const status = Object.keys(asked.responses).find((name) => name.startsWith("2"));
  for (const content of Object.values(asked.responses[status].content)) section.append(...block(`Answer ${status}`, content.schema));
  return section;
}

fetch("/openapi.json").then((response) => response.json()).then((found) => {
  document.getElementById("title").textContent = found.info.title;
  const sections = Object.entries(found.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, asked]) => described(path, method, asked)));
  document.getElementById("paths").replaceChildren(...sections);
});
