import { useEffect, useState } from 'react'
import { useLive } from '../live'

// span is a length of time as people read clocks: 0:07, 12:30, 1:02:03.
export function span(ms: number) {
  const s = Math.max(0, Math.floor(ms / 1000))
  const two = (n: number) => String(n).padStart(2, '0')
  return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`
}

// useNow is the server's time, ticking each second.
export function useNow() {
  const { clock } = useLive()
  const [now, set] = useState(Date.now())
  useEffect(() => {
    const t = setInterval(() => set(Date.now()), 1000)
    return () => clearInterval(t)
  }, [])
  return now + clock
}

// Since counts from a time of the server's.
export function Since({ at }: { at?: string }) {
  const now = useNow()
  return <span className="tabular">{at ? span(now - Date.parse(at)) : '–'}</span>
}

// Until counts down to a time of the server's.
export function Until({ at }: { at: string }) {
  const now = useNow()
  return <span className="tabular">{span(Date.parse(at) - now)}</span>
}
