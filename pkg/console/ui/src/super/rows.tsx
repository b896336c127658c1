import { useLayoutEffect, useRef, useState, type ReactNode } from 'react'

// Rows shows of a long list what can be seen: five hundred people are no more work than
// twenty. All rows are of one height, px.
export function Rows<T>({ items, height, max, label, head, columns, widths, row }: { items: T[]; height: number; max: number; label: string; head: ReactNode; columns: number; widths: number[]; row: (item: T, index: number) => ReactNode }) {
  const box = useRef<HTMLDivElement>(null)
  const [top, setTop] = useState(0)
  const [room, setRoom] = useState(max)
  useLayoutEffect(() => {
    const seen = new ResizeObserver(([e]) => setRoom(e.contentRect.height))
    seen.observe(box.current!)
    return () => seen.disconnect()
  }, [])
  const first = Math.max(0, Math.floor(top / height) - 4)
  const last = Math.min(items.length, Math.ceil((top + room) / height) + 4)
  return (
    <div ref={box} role="region" aria-label={label} tabIndex={0} onScroll={(e) => setTop(e.currentTarget.scrollTop)} style={{ maxHeight: max, overflow: 'auto', contain: 'content' }}>
      <table className="rows" aria-rowcount={items.length + 1}>
        <colgroup>{widths.map((w, i) => <col key={i} style={{ width: w + '%' }} />)}</colgroup>
        <thead>{head}</thead>
        <tbody>
          {first > 0 && <tr aria-hidden style={{ height: first * height }}><td colSpan={columns} /></tr>}
          {items.slice(first, last).map((x, i) => row(x, first + i))}
          {last < items.length && <tr aria-hidden style={{ height: (items.length - last) * height }}><td colSpan={columns} /></tr>}
        </tbody>
      </table>
    </div>
  )
}
