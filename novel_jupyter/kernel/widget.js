/**
 * A story in a notebook's output: live where JupyterLab or its server has the face, else a copy to read.
 *
 * Law: the copy is made of text nodes; a credential is taken from the page that holds it and goes to that page's own
 * server alone; nothing is sent to the kernel.
 */
const FACE = Symbol.for("novel_jupyter");

/** What Jupyter's own pages say about their server; null elsewhere. */
function pageConfig() {
  try {
    const found = JSON.parse(document.getElementById("jupyter-config-data").textContent);
    return typeof found.baseUrl === "string" ? found : null;
  } catch {
    return null;
  }
}

/** The server that this page is of, with a slash at the end. */
function serverOf(config) {
  return new URL(config.baseUrl.replace(/\/*$/, "/"), location.href);
}

/** Whether the session is kept where this page comes from. */
function isHere(model, config) {
  if (model.get("home")) return true;
  return config !== null && String(model.get("url")).startsWith(`${serverOf(config).href}novel/s/`);
}

function addStyles(server) {
  const href = new URL("novel/static/novel.css", server).href;
  if ([...document.querySelectorAll('link[rel="stylesheet"]')].some((link) => link.href === href)) return;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = href;
  document.head.append(link);
}

/** Shows the session in `el`: a function, or null where there is nothing to show it with. Rejects if it cannot load. */
async function findMount(sessionId, config) {
  const face = globalThis[FACE];
  if (typeof face?.mount === "function") return (el) => face.mount(el, { sessionId });
  if (config === null) return null;
  const server = serverOf(config);
  const { mount } = await import(new URL("novel/static/novel.js", server).href);
  addStyles(server);
  const options = { sessionId, baseUrl: server.href };
  if (config.wsUrl) options.wsUrl = config.wsUrl;
  if (config.token) options.token = () => config.token;
  return (el) => mount(el, options);
}

function element(name, ...children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

function link(url) {
  if (!/^https?:\/\//.test(url)) return url;
  const made = element("a", url);
  made.href = url;
  made.target = "_blank";
  made.rel = "noopener noreferrer";
  return made;
}

function momentOf(text) {
  const moment = new Date(text);
  if (Number.isNaN(moment.getTime())) return String(text);
  const made = element("time", moment.toLocaleString());
  made.dateTime = text;
  return made;
}

const paragraphs = (prose) => prose.split("\n\n").filter(Boolean).map((part) => element("p", part));

/** The page on which people play, as this browser reaches it. */
function pageOf(model, config) {
  const id = encodeURIComponent(model.get("session_id"));
  return config !== null && model.get("home") ? new URL(`novel/s/${id}`, serverOf(config)).href : model.get("url");
}

function copy(model, config) {
  const { as_of, title, turn, phase, scene, turns, seats, seats_more, people, people_more } = model.get("mirror");
  const told = turns.flatMap(({ number, narration, prose }) => [
    element("h4", `Turn ${number}`),
    ...(prose === "" ? [element("p", element("em", `(not told: ${narration})`))] : paragraphs(prose)),
  ]);
  const cast = seats.map(({ name, owner, understudy }) =>
    element("li", element("b", name), `: ${owner ?? "the storyteller"}${owner && understudy ? ", the storyteller stands in" : ""}`),
  );
  if (seats_more > 0) cast.push(element("li", `and ${seats_more} more`));
  const names = people.map(({ name, role, here }) => `${name} (${role}${here ? ", here" : ""})`).join(", ");
  const made = element(
    "section",
    element("h3", title),
    element("p", element("em", "Read-only copy, as of ", momentOf(as_of), "; open ", link(pageOf(model, config)), " to take part")),
    element("p", [`Turn ${turn}, ${phase}`, scene.place, scene.mood].filter(Boolean).join(" · ")),
    ...(told.length > 0 ? told : paragraphs(scene.text)),
    element("ul", ...cast),
    element("p", `People: ${names || "nobody yet"}${people_more > 0 ? ` and ${people_more} more` : ""}`),
  );
  made.className = "jp-Novel-mirror jp-RenderedHTMLCommon"; // the latter is how JupyterLab dresses outputs
  return made;
}

function render({ model, el }) {
  const config = pageConfig();
  const place = document.createElement("div");
  el.append(place);
  let over = false;
  let mounted = null;
  const show = () => place.replaceChildren(copy(model, config));
  const begin = async () => {
    try {
      const mount = isHere(model, config) ? await findMount(model.get("session_id"), config) : null;
      if (over) return;
      mounted = mount?.(place) ?? null;
    } catch (error) {
      console.warn("novel_jupyter: the session is shown as a copy,", error);
    }
    if (over || mounted !== null) return;
    show();
    model.on("change:mirror", show);
  };
  void begin();
  return () => {
    over = true;
    model.off("change:mirror", show);
    mounted?.dispose();
    mounted = null;
    place.remove();
  };
}

export default { render };
