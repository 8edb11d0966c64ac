// Takes the token out of the address bar and the history before anything else; gives the terminal the keyboard; says
// what the terminal cannot do without; offers a new session after the end. The tab has a name, by which a page that is
// loaded again finds its app.
history.replaceState(null, "", "/");

const tab = sessionStorage.getItem("tab")
  ?? Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
sessionStorage.setItem("tab", tab);
document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("terminal").dataset.sessionWebsocketUrl += `/${tab}`;
});

document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("again").addEventListener("click", () => window.location.reload());
  if (!document.createElement("canvas").getContext("webgl2")) {
    document.getElementById("opening").textContent = "This browser has no WebGL 2, which the terminal is drawn with.";
  }
});

// Only once the app speaks can it be told that it has the keyboard.
const watch = new MutationObserver(() => {
  if (document.body.classList.contains("-first-byte")) {
    watch.disconnect();
    document.querySelector(".xterm-helper-textarea").focus();
  }
});
document.addEventListener("DOMContentLoaded", () => watch.observe(document.body, { attributeFilter: ["class"] }));
