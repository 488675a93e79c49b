/**
 * Who may use this page: a page token from the link, kept for this tab and for the next visit, renewed before it ends.
 *
 * An API key that is pasted is exchanged for a page token at once and kept nowhere.
 */

import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { Gateway, GatewayError } from "../gateway/gateway";
import { hasEnded, isPageToken, readToken, renewIn, tokenOfFragment, withoutToken, type PageToken } from "./page-token";

export type Access = {
  readonly state: "open" | "closed" | "expired";
  readonly gateway: Gateway;
  /** Takes a link, a page token or an API key; fails with a sentence. */
  readonly open: (pasted: string) => Promise<void>;
};

const PLACE = "aether.page-token";
/** Until a renewal that failed is tried again. */
const AGAIN = 60_000;

export function useAccess(): Access {
  const [token, setToken] = useState<PageToken | undefined>(firstToken);
  const [hasExpired, setHasExpired] = useState(false);
  const current = useRef(token);

  const take = useCallback((fresh: PageToken) => {
    current.current = fresh;
    keep(fresh);
    setHasExpired(false);
    setToken(fresh);
  }, []);

  const gateway = useMemo(
    () =>
      new Gateway(
        () => current.current?.text,
        () => {
          current.current = undefined;
          forget();
          setHasExpired(true);
          setToken(undefined);
        },
      ),
    [],
  );

  useEffect(() => {
    if (!token) return;
    let timer: ReturnType<typeof setTimeout>;
    const renew = async () => {
      try {
        take(await gateway.renew());
      } catch (error) {
        // One that can't be renewed any more is used to its end, which shows itself.
        const isFinal = error instanceof GatewayError && error.trouble !== "unreachable";
        if (!isFinal) timer = setTimeout(() => void renew(), AGAIN);
      }
    };
    timer = setTimeout(() => void renew(), renewIn(token, Date.now()));
    return () => {
      clearTimeout(timer);
    };
  }, [token, gateway, take]);

  // A link that is opened in a tab where the page is already only changes the fragment.
  useEffect(() => {
    const look = () => {
      const fresh = takeFromLink();
      if (fresh) take(fresh);
    };
    window.addEventListener("hashchange", look);
    return () => {
      window.removeEventListener("hashchange", look);
    };
  }, [take]);

  const open = useCallback(
    async (pasted: string) => {
      const text = pasted.includes("#") ? (tokenOfFragment(pasted.slice(pasted.indexOf("#"))) ?? "") : pasted.trim();
      if (!/^aether(page)?_\S+$/.test(text)) {
        throw new GatewayError("refused", "This is neither a link of Aether nor an API key.");
      }
      // A key and a token are tried the same way: by asking for a fresh token.
      const fresh = await new Gateway(() => text).renew().catch((error: unknown) => {
        const isUnknown = error instanceof GatewayError && error.trouble === "expired";
        if (!isUnknown) throw error;
        const what = isPageToken(text) ? "link" : "key";
        throw new GatewayError("expired", `This ${what} is not known here, or has expired.`);
      });
      take(fresh);
    },
    [take],
  );

  return { state: token ? "open" : hasExpired ? "expired" : "closed", gateway, open };
}

function firstToken(): PageToken | undefined {
  const linked = takeFromLink();
  if (linked) return linked;
  const kept = sessionStorage.getItem(PLACE) ?? localStorage.getItem(PLACE);
  if (kept === null) return undefined;
  const token = readToken(kept);
  if (!hasEnded(token, Date.now())) return token;
  forget();
  return undefined;
}

/** The token leaves the address bar before anybody can read, copy or bookmark it. */
function takeFromLink(): PageToken | undefined {
  const text = tokenOfFragment(window.location.hash);
  if (text === undefined) return undefined;
  history.replaceState(null, "", withoutToken(window.location.href));
  const token = readToken(text);
  keep(token);
  return token;
}

function keep(token: PageToken): void {
  sessionStorage.setItem(PLACE, token.text);
  localStorage.setItem(PLACE, token.text);
}

function forget(): void {
  sessionStorage.removeItem(PLACE);
  localStorage.removeItem(PLACE);
}
