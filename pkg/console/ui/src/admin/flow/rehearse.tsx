// A call to the flow as it stands in the editor, without a phone: what is said, and what
// one would do.
import { Button, Card, Code, Group, Stack, Text, TextInput, Title } from '@mantine/core'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { name as el, send } from '../../api'
import { Wrong, useTry } from '../../parts/error'
import type { Outline } from './model'

interface Act {
  keys?: string
  wait?: boolean
  outcome?: string
}
interface Played {
  notes: { after_ms: number; what: string; text: string }[]
  waits: string
  step: string
  path: string[]
  end: string
  variables: Record<string, string>
  language: string
}

export function Rehearse({ flow, text, graph, here }: { flow: string; text: string; graph: Outline; here: (step?: string) => void }) {
  const { t } = useTranslation()
  const [set, setSet] = useState({ from: '+37322123456', dialled: '', language: '', at: '' })
  const [acts, setActs] = useState<Act[]>([])
  const [played, setPlayed] = useState<Played>()
  const { run, wrong, busy, forget } = useTry()
  const end = useRef<HTMLDivElement>(null)
  const go = (next: Act[]) =>
    run(async () => {
      const filled = Object.fromEntries(Object.entries(set).filter(([, v]) => v).map(([k, v]) => [k, k === 'at' ? v.replace('T', ' ') : v]))
      const r = (await send<Played>('POST', `/flows/${el(flow)}/rehearse`, JSON.stringify({ spec: text, acts: next, ...filled }), { 'Content-Type': 'application/json' })).data
      setActs(next)
      setPlayed(r)
      here(r.waits === 'over' ? undefined : r.step)
    })
  useEffect(() => () => here(undefined), [])
  useEffect(() => {
    end.current?.scrollIntoView({ block: 'nearest' })
  }, [played])
  const act = (a: Act) => go([...acts, a])
  const waits = played?.waits ?? 'over'
  const ways = graph.steps.find((s) => s.name === played?.step)?.ways ?? []
  const outcomes = waits === 'agent' || waits === 'party' || waits === 'elsewhere' ? [...new Set([...(waits === 'elsewhere' ? ['ok'] : ['answered']), ...ways.filter((w) => w.path.startsWith('on.')).map((w) => w.path.slice(3))])] : []
  return (
    <Card withBorder component="section" aria-label={t('admin.flow.rehearse')}>
      <Stack gap="xs">
        <Title order={2} size="h5">{t('admin.flow.rehearse')}</Title>
        <Text size="sm" c="dimmed">{t('admin.flow.rehearsehelp')}</Text>
        <Group align="end" gap="xs">
          <TextInput size="xs" w={130} label={t('admin.flow.caller')} value={set.from} onChange={(e) => setSet({ ...set, from: e.currentTarget.value })} />
          <TextInput size="xs" w={90} label={t('admin.flow.dialled')} value={set.dialled} onChange={(e) => setSet({ ...set, dialled: e.currentTarget.value })} />
          <TextInput size="xs" w={70} label={t('language')} value={set.language} onChange={(e) => setSet({ ...set, language: e.currentTarget.value })} />
          <TextInput size="xs" type="datetime-local" label={t('admin.flow.at')} value={set.at} onChange={(e) => setSet({ ...set, at: e.currentTarget.value })} />
          <Button size="xs" loading={busy} onClick={() => go([])}>{t(played ? 'admin.flow.again' : 'admin.flow.begin')}</Button>
        </Group>
        <Wrong wrong={wrong} forget={forget} />
        {played && (
          <>
            <div role="log" tabIndex={0} aria-label={t('admin.flow.log')} style={{ maxHeight: 260, overflowY: 'auto', fontSize: 13 }}>
              {played.notes.map((n, i) => <div key={i}><span className="tabular" style={{ color: 'var(--mantine-color-dimmed)' }}>{(n.after_ms / 1000).toFixed(1)}</span> <Code>{t('admin.note.' + n.what, { defaultValue: n.what })}</Code> {n.what === 'say' ? <q>{n.text}</q> : n.text}</div>)}
              <div ref={end} />
            </div>
            <Text size="sm" role="status" data-waits={waits}>{t('admin.waits.' + waits)} {waits === 'over' ? `(${played.end})` : ''}</Text>
            {waits !== 'over' && (
              <Group gap={4}>
                {[...'123456789*0#'].map((k) => <Button key={k} size="compact-sm" variant="default" disabled={busy} onClick={() => act({ keys: k })}>{k}</Button>)}
                {waits !== 'party' && <Button size="compact-sm" variant="default" disabled={busy} onClick={() => act({ wait: true })}>{t('admin.flow.wait.' + (waits === 'listener' ? 'heard' : waits === 'talk' ? 'talked' : 'time'))}</Button>}
                {outcomes.map((o) => <Button key={o} size="compact-sm" variant="light" disabled={busy} onClick={() => act({ outcome: o })}>{o}</Button>)}
                {acts.length > 0 && <Button size="compact-sm" variant="default" disabled={busy} onClick={() => go(acts.slice(0, -1))}>{t('admin.flow.back')}</Button>}
              </Group>
            )}
            {Object.keys(played.variables).length > 0 && <Text size="xs">{Object.entries(played.variables).map(([k, v]) => `${k}=${v}`).join('  ')}</Text>}
          </>
        )}
      </Stack>
    </Card>
  )
}
