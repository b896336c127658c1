import { Button, Card, Checkbox, Group, NativeSelect, Stack, Text, TextInput, Title } from '@mantine/core'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { get } from '../api'
import type { Call } from '../live'
import { Wrong, useTry } from '../parts/error'
import { CallTable } from './desk'

const texts = ['number', 'agent', 'queue', 'disposition', 'text'] as const
const results = ['', 'success', 'caller', 'agent', 'upstream', 'ours']

// what is searched for stands in the address, so that a search can be kept and sent.
const asked = () => Object.fromEntries(new URLSearchParams(location.search)) as Record<string, string>

// question is what the API is asked for a form.
function question(by: Record<string, string>) {
  const q = new URLSearchParams({ limit: '50' })
  for (const f of [...texts, 'result']) if (by[f]) q.set(f, by[f])
  for (const f of ['from', 'to']) if (by[f]) q.set(f, new Date(by[f]).toISOString())
  for (const f of ['min', 'max']) if (by[f]) q.set(f + '_ms', String(1000 * Number(by[f])))
  if (by.recorded) q.set('recorded', 'true')
  return q
}

// Calls searches what was and what is.
export function Calls() {
  const { t } = useTranslation()
  const [by, setBy] = useState(asked)
  const [calls, setCalls] = useState<Call[]>()
  const [next, setNext] = useState<string>()
  const { run, wrong, busy, forget } = useTry()
  const number = useRef<HTMLInputElement>(null)
  const find = (what: Record<string, string>, cursor?: string) =>
    run(async () => {
      const q = question(what)
      if (cursor) q.set('cursor', cursor)
      const r = await get<{ calls: Call[]; next?: string }>('/calls?' + q)
      setCalls((have) => (cursor ? [...(have ?? []), ...r.calls] : r.calls))
      setNext(r.next)
      history.replaceState(null, '', '/calls' + (Object.values(what).some(Boolean) ? '?' + new URLSearchParams(Object.entries(what).filter(([, v]) => v)) : ''))
    })
  useEffect(() => {
    void find(by)
    const key = (e: KeyboardEvent) => {
      if (e.key !== '/' || (e.target as HTMLElement).closest('input, textarea, select')) return
      e.preventDefault()
      number.current?.focus()
    }
    addEventListener('keydown', key)
    return () => removeEventListener('keydown', key)
  }, [])
  const set = (f: string, v: string) => setBy({ ...by, [f]: v })
  const label: Record<string, string> = { number: 'search.number', agent: 'calls.by.agent', queue: 'calls.by.queue', disposition: 'search.disposition', text: 'search.text' }
  return (
    <Stack>
      <Card withBorder component="form" role="search" onSubmit={(e: React.FormEvent) => { e.preventDefault(); void find(by) }}>
        <Title order={1} size="h4">{t('page.calls')}</Title>
        <Group align="end">
          {texts.map((f) => <TextInput key={f} ref={f === 'number' ? number : undefined} label={t(label[f])} value={by[f] ?? ''} onChange={(e) => set(f, e.currentTarget.value)} />)}
          <TextInput type="datetime-local" label={t('search.from')} value={by.from ?? ''} onChange={(e) => set('from', e.currentTarget.value)} />
          <TextInput type="datetime-local" label={t('search.until')} value={by.to ?? ''} onChange={(e) => set('to', e.currentTarget.value)} />
          <TextInput type="number" min={0} w={120} label={t('search.min')} value={by.min ?? ''} onChange={(e) => set('min', e.currentTarget.value)} />
          <TextInput type="number" min={0} w={120} label={t('search.max')} value={by.max ?? ''} onChange={(e) => set('max', e.currentTarget.value)} />
          <NativeSelect label={t('search.result')} value={by.result ?? ''} onChange={(e) => set('result', e.currentTarget.value)} data={results.map((r) => ({ value: r, label: r ? t('result.' + r, { defaultValue: r }) : t('search.any') }))} />
          <Checkbox mb={8} label={t('search.recorded')} checked={!!by.recorded} onChange={(e) => set('recorded', e.currentTarget.checked ? 'true' : '')} />
          <Button type="submit" loading={busy}>{t('calls.find')}</Button>
          <Button variant="default" onClick={() => { setBy({}); void find({}) }}>{t('search.clear')}</Button>
        </Group>
      </Card>
      <Wrong wrong={wrong} forget={forget} />
      <Card withBorder>
        {calls?.length === 0 ? <Text role="status">{t('search.none')}</Text> : <CallTable calls={calls ?? []} />}
        {next && <Button mt="md" variant="default" loading={busy} onClick={() => find(by, next)}>{t('calls.more')}</Button>}
      </Card>
    </Stack>
  )
}
