import { useId, useRef, type KeyboardEvent, type ReactNode } from "react";

export type Tab<Name extends string> = { readonly name: Name; readonly label: string; readonly count?: string };

type Props<Name extends string> = {
  label: string;
  tabs: readonly Tab<Name>[];
  chosen: Name;
  choose: (name: Name) => void;
  children: ReactNode;
};

/** One panel, and tabs to choose what is in it: by pointer, or by the arrow keys. */
export function Tabs<Name extends string>({ label, tabs, chosen, choose, children }: Props<Name>) {
  const id = useId();
  const row = useRef<HTMLDivElement>(null);

  const move = (event: KeyboardEvent) => {
    const at = tabs.findIndex((tab) => tab.name === chosen);
    const to = targetOf(event.key, at, tabs.length);
    const tab = tabs[to ?? -1];
    if (to === undefined || tab === undefined) return;
    event.preventDefault();
    choose(tab.name);
    row.current?.querySelectorAll<HTMLElement>("[role=tab]")[to]?.focus();
  };

  return (
    <>
      <div ref={row} className="tabs" role="tablist" aria-label={label} onKeyDown={move}>
        {tabs.map((tab) => (
          <button
            key={tab.name}
            type="button"
            role="tab"
            id={`${id}-${tab.name}`}
            aria-selected={tab.name === chosen}
            aria-controls={`${id}-panel`}
            tabIndex={tab.name === chosen ? 0 : -1}
            onClick={() => {
              choose(tab.name);
            }}
          >
            {tab.label}
            {tab.count !== undefined && tab.count !== "" && <span className="count">{tab.count}</span>}
          </button>
        ))}
      </div>
      <div key={chosen} className="drawer-scroll" role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${chosen}`} tabIndex={0}>
        {children}
      </div>
    </>
  );
}

function targetOf(key: string, at: number, length: number): number | undefined {
  switch (key) {
    case "ArrowRight":
      return (at + 1) % length;
    case "ArrowLeft":
      return (at + length - 1) % length;
    case "Home":
      return 0;
    case "End":
      return length - 1;
    default:
      return undefined;
  }
}
