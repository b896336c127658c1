import { Button, Card, Checkbox, Group, SegmentedControl, Text, TextInput, Title } from '@mantine/core'
import { useCallback, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { del, get, name as el, post, type Session } from '../api'
import { Wrong, useTry } from '../parts/error'
import { span } from '../parts/time'

interface Peaks { duration_ms: number; step_ms: number; caller: number[]; agent: number[] }
interface Mark { id: string; at_ms: number; at: string; by: string; text: string }

const W = 1200
const H = 120
// Both quieter than this for so long is silence.
const QUIET = 4
const SILENCE_MS = 800

// silences are stretches [from, to) in ms in which nobody speaks.
function silences(p: Peaks) {
  const out: [number, number][] = []
  for (let i = 0, from = 0; i <= p.caller.length; i++) {
    if (i < p.caller.length && p.caller[i] <= QUIET && p.agent[i] <= QUIET) continue
    if ((i - from) * p.step_ms >= SILENCE_MS) out.push([from * p.step_ms + 200, i * p.step_ms - 200])
    from = i + 1
  }
  return out
}

// path draws a side upwards (-1) or downwards (1) from the middle.
function path(side: number[], sign: number) {
  const n = Math.max(1, side.length)
  let d = `M0 ${H / 2}`
  side.forEach((v, i) => { d += `L${((i * W) / n).toFixed(1)} ${(H / 2 + (sign * v * (H / 2 - 2)) / 255).toFixed(1)}` })
  return d + `L${W} ${H / 2}Z`
}

// Player plays a recording, while the call runs too: caller above, agent below.
export function Player({ id, session, running }: { id: string; session: Session; running: boolean }) {
  const { t } = useTranslation()
  const audio = useRef<HTMLAudioElement>(null)
  const input = useRef<HTMLInputElement>(null)
  const [rate, setRate] = useState('1')
  const [skip, setSkip] = useState(false)
  const [playing, setPlaying] = useState(false)
  const [at, setAt] = useState(0)
  const [peaks, setPeaks] = useState<Peaks>()
  const [marks, setMarks] = useState<Mark[]>([])
  const [text, setText] = useState('')
  const { run, wrong, busy, forget } = useTry()
  const base = `/recordings/${el(id)}`
  const src = `/api/v1${base}/audio`
  const look = useCallback(() => get<{ items: Mark[] }>(base + '/marks').then((r) => setMarks(r.items), () => {}), [base])
  useEffect(() => {
    get<Peaks>(base + '/peaks').then(setPeaks, () => {})
    void look()
    const wanted = /[#&]t=([\d.]+)/.exec(location.hash) // a link to a place of the recording
    if (wanted && audio.current) audio.current.currentTime = Number(wanted[1])
  }, [base, running, look])
  useEffect(() => {
    if (audio.current) audio.current.playbackRate = Number(rate)
  }, [rate])
  const quiet = peaks && skip ? silences(peaks) : []
  const moved = () => {
    const a = audio.current!
    const now = 1000 * a.currentTime
    setAt(now)
    const s = quiet.find(([from, to]) => now >= from && now < to - 50)
    if (s && !a.paused) a.currentTime = s[1] / 1000
  }
  const total = Math.max(1, peaks?.duration_ms ?? 1000 * (audio.current?.duration || 0))
  const go = (ms: number) => {
    if (!audio.current) return
    audio.current.currentTime = Math.max(0, ms / 1000)
    setAt(Math.max(0, ms))
  }
  const toggle = () => void (audio.current?.paused ? audio.current.play().catch(() => {}) : audio.current?.pause())
  const keys = (e: React.KeyboardEvent) => {
    if ((e.target as HTMLElement).closest('input, button, a')) return
    const does: Record<string, () => void> = { ' ': toggle, ArrowLeft: () => go(at - 5000), ArrowRight: () => go(at + 5000), c: () => input.current?.focus(), Home: () => go(0), End: () => go(total) }
    if (!does[e.key]) return
    e.preventDefault()
    does[e.key]()
  }
  const may = session.rights?.['recordings.mark']
  const add = (e: React.FormEvent) => {
    e.preventDefault()
    void run(async () => {
      await post(base + '/marks', { at_ms: Math.round(at), text })
      setText('')
      await look()
    })
  }
  return (
    <Card withBorder onKeyDown={keys}>
      <Group justify="space-between">
        <Title order={2} size="h5">{t('call.recording')}</Title>
        <Text size="sm" c="dimmed">{t('player.hint')}</Text>
      </Group>
      <Wrong wrong={wrong} forget={forget} />
      <audio ref={audio} preload="metadata" src={src} onTimeUpdate={moved} onPlay={() => setPlaying(true)} onPause={() => setPlaying(false)} aria-label={t('call.recording')} />
      <div role="slider" tabIndex={0} aria-label={t('player.at')} aria-valuemin={0} aria-valuemax={Math.round(total / 1000)} aria-valuenow={Math.round(at / 1000)} aria-valuetext={span(at)}
        onClick={(e) => { const r = e.currentTarget.getBoundingClientRect(); go(((e.clientX - r.left) / r.width) * total) }} style={{ cursor: 'pointer', position: 'relative' }}>
        <svg viewBox={`0 0 ${W} ${H}`} preserveAspectRatio="none" role="img" aria-label={t('player.wave')} style={{ width: '100%', height: H, display: 'block' }}>
          <line x1={0} x2={W} y1={H / 2} y2={H / 2} stroke="currentColor" strokeOpacity={0.4} />
          {peaks && <path d={path(peaks.caller, -1)} fill="#1971c2" />}
          {peaks && <path d={path(peaks.agent, 1)} fill="#2f9e44" />}
          {quiet.map(([f, to]) => <rect key={f} x={(f * W) / total} width={((to - f) * W) / total} y={0} height={H} fill="currentColor" opacity={0.12} />)}
          {marks.map((m) => <line key={m.id} x1={(m.at_ms * W) / total} x2={(m.at_ms * W) / total} y1={0} y2={H} stroke="#e8590c" strokeWidth={3} />)}
          <line x1={(at * W) / total} x2={(at * W) / total} y1={0} y2={H} stroke="currentColor" strokeWidth={2} />
        </svg>
      </div>
      <Group mt="xs">
        <Button onClick={toggle} aria-pressed={playing}>{playing ? t('player.pause') : t('player.play')}</Button>
        <Button variant="default" onClick={() => go(at - 5000)} aria-label={t('player.back')}>−5 s</Button>
        <Button variant="default" onClick={() => go(at + 5000)} aria-label={t('player.forward')}>+5 s</Button>
        <Text className="tabular" data-at={Math.round(at)}>{span(at)} / {span(total)}</Text>
        <SegmentedControl aria-label={t('call.speed')} value={rate} onChange={setRate} data={['0.75', '1', '1.25', '1.5', '2']} />
        <Checkbox label={t('player.skip')} checked={skip} onChange={(e) => setSkip(e.currentTarget.checked)} disabled={!peaks} />
        {session.rights?.['recordings.save'] && <Button component="a" href={src + '?save=true'} download variant="default">{t('call.download')}</Button>}
      </Group>
      {(marks.length > 0 || may) && <Title order={3} size="h6" mt="sm">{t('player.marks')}</Title>}
      {marks.map((m) => (
        <Group key={m.id} gap="xs" data-mark={m.id}>
          <Button size="compact-xs" variant="default" onClick={() => go(m.at_ms)} aria-label={t('player.goto', { at: span(m.at_ms) })}>{span(m.at_ms)}</Button>
          <Text size="sm"><b>{m.by}:</b> {m.text}</Text>
          {may && <Button size="compact-xs" variant="subtle" color="red" onClick={() => void run(async () => { await del(`${base}/marks/${el(m.id)}`); await look() })}>{t('player.remove')}</Button>}
        </Group>
      ))}
      {may && (
        <Group component="form" onSubmit={add} align="end" mt="xs">
          <TextInput ref={input} flex={1} label={t('player.mark', { at: span(at) })} value={text} onChange={(e) => setText(e.currentTarget.value)} maxLength={1000} />
          <Button type="submit" variant="default" loading={busy} disabled={!text.trim()}>{t('player.add')}</Button>
        </Group>
      )}
    </Card>
  )
}
