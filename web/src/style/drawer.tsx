import { useLayoutEffect, useRef, type ReactNode } from "react";

import { BackIcon, CloseIcon } from "./icons";

type Props = {
  title: string;
  /** From one of a list to the list. */
  back?: (() => void) | undefined;
  close: () => void;
  children: ReactNode;
};

/** For `aria-labelledby` of what is inside. */
export const DRAWER_TITLE = "drawer-title";

/** A sheet beside the page. The browser keeps the focus inside, and gives it back to where it came from. */
export function Drawer({ title, back, close, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);

  // Closed while it still stands in the page: later the browser would not give the focus back.
  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => {
      element?.close();
    };
  }, []);

  return (
    <dialog
      ref={dialog}
      className="drawer"
      aria-labelledby={DRAWER_TITLE}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
      onClick={(event) => {
        if (event.target === dialog.current) close();
      }}
    >
      <div className="drawer-inside">
        <header>
          {back && (
            <button type="button" className="quiet" aria-label="Back to the list" onClick={back}>
              <BackIcon />
            </button>
          )}
          <h2 id={DRAWER_TITLE}>{title}</h2>
          <button type="button" className="quiet" aria-label="Close" onClick={close}>
            <CloseIcon />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
