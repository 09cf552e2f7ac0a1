import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';

/** The page's shape, before there are numbers. */
export function Skeleton({ isStill = false }: { readonly isStill?: boolean }) {
  return (
    <div class={isStill ? 'skeleton still' : 'skeleton'} aria-hidden="true">
      <div class="headlines">
        {['a', 'b', 'c', 'd', 'e', 'f'].map((key) => (
          <div key={key} class="card" />
        ))}
      </div>
      <SkeletonPanels />
    </div>
  );
}

function SkeletonPanels() {
  return (
    <div class="grid">
      <div class="panel wide" />
      <div class="panel" />
    </div>
  );
}

/** What is below the headline numbers waits until they are painted: all of it takes several times as long as they do. */
export function AfterPaint({ children }: { readonly children: ComponentChildren }) {
  const [isPainted, setPainted] = useState(false);
  useEffect(() => {
    // Effects alone come before the painting where a frame takes long.
    const frame = requestAnimationFrame(() => setTimeout(() => setPainted(true)));
    return () => cancelAnimationFrame(frame);
  }, []);
  if (isPainted) return <>{children}</>;
  return (
    <div class="skeleton still" aria-hidden="true">
      <SkeletonPanels />
    </div>
  );
}
