import { useLayoutEffect, useRef, useSyncExternalStore } from 'react'
import { serverNow } from '../live'

// span is a length of time as people read clocks: 0:07, 12:30, 1:02:03.
export function span(ms: number) {
  const s = Math.max(0, Math.floor(ms / 1000))
  const two = (n: number) => String(n).padStart(2, '0')
  return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`
}

// One clock for all that tick.
const ticking = new Set<() => void>()
let ticker: ReturnType<typeof setInterval> | undefined
let now = serverNow()
function tick(f: () => void) {
  ticking.add(f)
  now = serverNow()
  ticker ??= setInterval(() => {
    now = serverNow()
    ticking.forEach((f) => f())
  }, 1000)
  return () => {
    ticking.delete(f)
    if (ticking.size > 0) return
    clearInterval(ticker)
    ticker = undefined
  }
}

// useNow is the server's time, ticking each second.
export const useNow = () => useSyncExternalStore(tick, () => now)

// Since counts from a time of the server's. The clock writes the text itself: hundreds
// of them tick without a word to React.
export function Since({ at }: { at?: string }) {
  const text = useRef<HTMLSpanElement>(null)
  useLayoutEffect(() => {
    const from = at ? Date.parse(at) : NaN
    const write = () => {
      const now = from ? span(serverNow() - from) : '–'
      if (text.current && text.current.textContent !== now) text.current.textContent = now
    }
    write()
    return from ? tick(write) : undefined
  }, [at])
  return <span className="tabular" ref={text} />
}

// Until counts down to a time of the server's.
export function Until({ at }: { at: string }) {
  const now = useNow()
  return <span className="tabular">{span(Date.parse(at) - now)}</span>
}
