import { BellIcon } from "../style/icons";

/** Opens the drawer; beside it, how many notifications nobody has seen yet. */
export function BellButton({ count, open }: { count: string; open: () => void }) {
  return (
    <button type="button" className="quiet bell" onClick={open}>
      <BellIcon />
      <span className="wide">Notifications</span>
      {count !== "" && (
        <span className="count">
          <span className="visually-hidden">, </span>
          {count}
          <span className="visually-hidden"> unseen</span>
        </span>
      )}
    </button>
  );
}
