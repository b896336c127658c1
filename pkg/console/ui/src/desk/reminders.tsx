import { Badge, Button, Card, Group, NativeSelect, Stack, Text, TextInput, Title } from '@mantine/core'
import { useCallback, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { del, get, name as el, post } from '../api'
import { Wrong, useTry } from '../parts/error'
import { useNow } from '../parts/time'
import { phone, usePhone } from '../phone'
import type { Sheet } from './sheet'

interface Reminder { id: string; at: string; number: string; name?: string; note?: string; call_id?: string }

const two = (n: number) => String(n).padStart(2, '0')
// local is a time as <input type=datetime-local> writes it.
const local = (d: Date) => `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}T${two(d.getHours())}:${two(d.getMinutes())}`

// Reminders are the calls this agent has promised; who is to be called by whoever is
// free goes to a queue's line instead.
export function Reminders({ me, number, callID, queues, sheet, asked }: { me: string; number?: string; callID?: string; queues: string[]; sheet?: Sheet; asked: number }) {
  const { t, i18n } = useTranslation()
  const { run, wrong, busy, forget } = useTry()
  const p = usePhone()
  const now = useNow()
  const [list, setList] = useState<Reminder[]>([])
  const [open, setOpen] = useState(false)
  const [draft, setDraft] = useState({ number: '', note: '', at: '', to: '' })
  const told = useRef(new Set<string>())
  const base = `/agents/${el(me)}/reminders`
  const look = useCallback(() => get<{ items: Reminder[] }>(base).then((r) => setList(r.items)), [base])
  useEffect(() => void look().catch(() => {}), [look])
  const begin = useCallback(() => {
    setDraft({ number: number ?? '', note: '', at: local(new Date(Date.now() + 3600_000)), to: '' })
    setOpen(true)
  }, [number])
  useEffect(() => { if (asked) begin() }, [asked])
  const due = list.filter((r) => Date.parse(r.at) <= now)
  useEffect(() => {
    for (const r of due) {
      if (told.current.has(r.id)) continue
      told.current.add(r.id)
      if ('Notification' in window && Notification.permission === 'granted') new Notification(t('later.due', { who: r.name || r.number }), { tag: r.id, body: r.note }).onclick = () => window.focus()
    }
  }, [due.length])
  const called = queues.filter((q) => sheet?.queues[q]?.callback)
  const keep = () =>
    run(async () => {
      if (draft.to) await post('/callbacks', { queue: draft.to, number: draft.number })
      else await post(base, { at: new Date(draft.at).toISOString(), number: draft.number, note: draft.note || undefined, call_id: callID })
      setOpen(false)
      await look()
    })
  const end = (r: Reminder, done: boolean) => run(async () => { await del(`${base}/${el(r.id)}${done ? '?done=true' : ''}`); await look() })
  return (
    <Card withBorder>
      <Stack gap="xs">
        <Group justify="space-between">
          <Title order={2} size="h5">{t('later.title')}</Title>
          {!open && <Button size="compact-sm" variant="default" onClick={begin}>{t('later.new')}</Button>}
        </Group>
        <Wrong wrong={wrong} forget={forget} />
        {open && (
          <Stack gap="xs" component="form" onSubmit={(e: React.FormEvent) => { e.preventDefault(); void keep() }}>
            <TextInput label={t('phone.number')} inputMode="tel" required value={draft.number} onChange={(e) => setDraft({ ...draft, number: e.currentTarget.value })} />
            {called.length > 0 && <NativeSelect label={t('later.by')} value={draft.to} onChange={(e) => setDraft({ ...draft, to: e.currentTarget.value })} data={[{ value: '', label: t('later.me') }, ...called.map((q) => ({ value: q, label: sheet?.queues[q]?.display_name ?? q }))]} />}
            {!draft.to && (
              <>
                <TextInput label={t('later.at')} type="datetime-local" required value={draft.at} onChange={(e) => setDraft({ ...draft, at: e.currentTarget.value })} />
                <TextInput label={t('customer.note')} maxLength={500} value={draft.note} onChange={(e) => setDraft({ ...draft, note: e.currentTarget.value })} />
              </>
            )}
            <Group gap="xs">
              <Button type="submit" size="compact-md" loading={busy} disabled={!draft.number || (!draft.to && !draft.at)}>{t('later.keep')}</Button>
              <Button size="compact-md" variant="default" onClick={() => setOpen(false)}>{t('close')}</Button>
            </Group>
          </Stack>
        )}
        {list.map((r) => (
          <Group key={r.id} justify="space-between" gap={4} data-reminder={r.number}>
            <Stack gap={0}>
              <Text size="sm" fw={700}>{r.name || r.number} {due.includes(r) && <Badge color="red">{t('later.now')}</Badge>}</Text>
              <Text size="xs">{new Date(r.at).toLocaleString(i18n.language, { dateStyle: 'short', timeStyle: 'short' })}{r.note && ` · ${r.note}`}</Text>
            </Stack>
            <Group gap={4}>
              <Button size="compact-sm" disabled={p.state !== 'ready' || !!p.talk} onClick={() => { phone.dial(r.number); void end(r, true) }}>{t('phone.call')}</Button>
              <Button size="compact-sm" variant="default" onClick={() => end(r, false)}>{t('later.drop')}</Button>
            </Group>
          </Group>
        ))}
        {!open && list.length === 0 && <Text size="sm" c="dimmed">{t('later.none')}</Text>}
      </Stack>
    </Card>
  )
}
