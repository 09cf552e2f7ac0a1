/** The page's shape, before there are numbers. */
export function Skeleton({ isStill = false }: { readonly isStill?: boolean }) {
  return (
    <div class={isStill ? 'skeleton still' : 'skeleton'} aria-hidden="true">
      <div class="headlines">
        {['a', 'b', 'c', 'd', 'e', 'f'].map((key) => (
          <div key={key} class="card" />
        ))}
      </div>
      <div class="grid">
        <div class="panel wide" />
        <div class="panel" />
      </div>
    </div>
  );
}
