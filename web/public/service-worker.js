/**
 * Shows what is pushed to this browser while the page may be closed. It keeps nothing and answers for no other request.
 *
 * A push is JSON: {"notification_id", "title", "text", "url"}.
 */

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => {
  const { notification_id: id, title, text, url } = read(event.data);
  const shown = self.registration.showNotification(textOf(title) || "Aether", {
    body: textOf(text),
    icon: "mark.svg",
    // The same one told again takes the place of the one before.
    tag: textOf(id),
    data: { url: textOf(url) },
  });
  event.waitUntil(shown);
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data?.url));
});

/** To where the notification leads, or to the page: the one that is open, or a new one. */
async function open(url) {
  if (isOfTheWeb(url)) return self.clients.openWindow(url);
  const pages = await self.clients.matchAll({ type: "window" });
  const page = pages.find((client) => client.focused) ?? pages[0];
  if (!page) return self.clients.openWindow(self.registration.scope);
  page.postMessage({ kind: "open-notifications" });
  return page.focus();
}

function isOfTheWeb(url) {
  try {
    return ["https:", "http:"].includes(new URL(url).protocol);
  } catch {
    return false;
  }
}

/** A push that can't be read is shown all the same: browsers expect every push to show something. */
function read(data) {
  try {
    return data?.json() ?? {};
  } catch {
    return {};
  }
}

function textOf(value) {
  return typeof value === "string" ? value : "";
}
