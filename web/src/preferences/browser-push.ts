/** Notifications of this browser, also while the page is closed: shown by public/service-worker.js. */

import type { Subscription } from "./target";

/** What of a browser decides whether it can be notified. */
export type Browser = {
  readonly isSecure: boolean;
  readonly hasPush: boolean;
  readonly permission: NotificationPermission | undefined;
};

export function thisBrowser(): Browser {
  const hasPush = "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
  return {
    isSecure: window.isSecureContext,
    hasPush,
    permission: hasPush ? window.Notification.permission : undefined,
  };
}

/** Why this browser can't be notified, if so, and what to do about it. */
export function obstacleOf(browser: Browser, pushKey: string | undefined): string | undefined {
  if (!browser.isSecure) {
    return "The browser lets no page over an unencrypted address notify. Open this page as https:// or on localhost.";
  }
  if (!browser.hasPush) return "This browser does not let pages notify.";
  if (pushKey === undefined) return "This Aether is not set up to notify browsers.";
  if (browser.permission === "denied") return DENIED;
  return undefined;
}

const DENIED = "The browser does not let this page notify. Allow it beside the address bar, then load the page again.";
const UNANSWERED = "The browser asked whether this page may notify, and got no answer. Try again.";
const NO_SERVICE = "The browser can't reach its push service. Some browsers have it switched off in their settings.";
const NO_WORKER = "The part of this page that shows notifications could not be loaded. Load the page again.";

/** For what installs a service worker; it is a small file. */
const PATIENCE = 10_000;
/** Which target this browser is. Only this browser knows. */
const PLACE = "aether.push-target";

export class PushError extends Error {
  override readonly name = "PushError";
}

/** Asks for permission and subscribes. Must begin with a press of a button, or browsers don't ask. */
export async function subscribe(pushKey: string): Promise<Subscription> {
  const permission = await window.Notification.requestPermission();
  if (permission !== "granted") throw new PushError(permission === "denied" ? DENIED : UNANSWERED);
  const { pushManager } = await worker();
  const key = keyBytes(pushKey);
  // One for another key, such as of an Aether that was set up anew, stands in the way.
  const old = await pushManager.getSubscription();
  if (old && !isSame(old.options.applicationServerKey, key)) await old.unsubscribe();
  const subscription = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key }).catch(() => {
    throw new PushError(NO_SERVICE);
  });
  const { endpoint, keys } = subscription.toJSON();
  if (endpoint === undefined || keys?.["p256dh"] === undefined || keys["auth"] === undefined) throw new PushError(NO_SERVICE);
  return { endpoint, keys: { p256dh: keys["p256dh"], auth: keys["auth"] } };
}

/** The target that this browser is subscribed as, as far as it knows. */
export async function subscribedTarget(): Promise<string | undefined> {
  const id = localStorage.getItem(PLACE) ?? undefined;
  if (id === undefined || !thisBrowser().hasPush) return undefined;
  const registration = await navigator.serviceWorker.getRegistration(document.baseURI).catch(() => undefined);
  const subscription = await registration?.pushManager.getSubscription();
  return subscription ? id : undefined;
}

export function remember(targetId: string): void {
  localStorage.setItem(PLACE, targetId);
}

/** Whatever is still sent to this browser is shown no more. */
export async function unsubscribe(): Promise<void> {
  localStorage.removeItem(PLACE);
  const registration = await navigator.serviceWorker.getRegistration(document.baseURI);
  const subscription = await registration?.pushManager.getSubscription();
  await subscription?.unsubscribe();
}

async function worker(): Promise<ServiceWorkerRegistration> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => {
      reject(new PushError(NO_WORKER));
    }, PATIENCE);
  });
  try {
    await navigator.serviceWorker.register(new URL("service-worker.js", document.baseURI));
    return await Promise.race([navigator.serviceWorker.ready, late]);
  } catch {
    throw new PushError(NO_WORKER);
  }
}

/** A key as the gateway writes it, base64url, as bytes. */
export function keyBytes(base64url: string): Uint8Array<ArrayBuffer> {
  const binary = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

function isSame(known: ArrayBuffer | null, key: Uint8Array): boolean {
  const bytes = new Uint8Array(known ?? new ArrayBuffer(0));
  return bytes.length === key.length && bytes.every((byte, index) => byte === key[index]);
}
