/** The name with its mark. */
export function Brand() {
  return (
    <span className="brand">
      <span className="brand-mark" aria-hidden="true" />
      Aether
    </span>
  );
}
