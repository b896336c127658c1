// Who changed what when and by which way; and taking it back.
import { Badge, Button, Card, Code, Group, List, Stack, Text, Title } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { get, name as el, post, Problem, send } from '../api'
import { Wrong, useTry } from '../parts/error'
import { Diff } from './diff'
import { forget as forgetNames, type ApplyResult, type Change, type Fault } from './lib'
import { Told, useKind } from './resource'

const colors = { add: 'green', change: 'blue', remove: 'red' }

export function History({ may }: { may: boolean }) {
  const { t } = useTranslation()
  const query = new URLSearchParams(location.search)
  const [kind, name] = [query.get('kind'), query.get('name')]
  const [items, setItems] = useState<Change[]>()
  const [next, setNext] = useState<string>()
  const { run, wrong, busy, forget } = useTry()
  const look = (cursor?: string) =>
    run(async () => {
      if (kind && name) {
        setItems((await get<{ items: Change[] }>(`/resources/${el(kind)}/${el(name)}/history`)).items)
        return setNext(undefined)
      }
      const page = await get<{ items: Change[]; next?: string }>('/revisions?limit=30' + (cursor ? '&cursor=' + cursor : ''))
      setItems((old) => (cursor ? [...(old ?? []), ...page.items] : page.items))
      setNext(page.next)
    })
  useEffect(() => void look(), [kind, name])
  const revisions = [...new Set(items?.map((c) => c.revision))]
  return (
    <Stack>
      <Title order={1} size="h4">{t('admin.history')}{kind && `: ${kind} ${name}`}</Title>
      <Wrong wrong={wrong} forget={forget} />
      {!items && !wrong && <Text>{t('loading')}</Text>}
      {revisions.map((r) => <Revision key={r} changes={items!.filter((c) => c.revision === r)} may={may} undone={() => look()} />)}
      {next && <div><Button variant="default" loading={busy} onClick={() => look(next)}>{t('calls.more')}</Button></div>}
    </Stack>
  )
}

function Revision({ changes, may, undone }: { changes: Change[]; may: boolean; undone: () => void }) {
  const { t } = useTranslation()
  const label = useKind()
  const first = changes[0]!
  const [detail, setDetail] = useState<Change[]>()
  const [asked, setAsked] = useState<{ changes: string[]; faults: Fault[]; no?: string }>()
  const { run, wrong, busy, forget } = useTry()
  const many = changes.length > 6
  const ask = () =>
    run(async () => {
      try {
        const r = (await send<ApplyResult>('POST', `/revisions/${first.revision}/undo?dry_run=true`, undefined, { 'Idempotency-Key': crypto.randomUUID() })).data
        setAsked({ changes: r.changes, faults: r.faults ?? [] })
      } catch (e) {
        if (!(e instanceof Problem)) throw e
        setAsked({ changes: e.result?.changes ?? [], faults: (e.result?.faults ?? []) as Fault[], no: e.message })
      }
    })
  return (
    <Card withBorder component="article" aria-label={`${t('admin.revision')} ${first.revision}`} data-revision={first.revision}>
      <Group justify="space-between">
        <Group gap="xs">
          <Text fw={700}>{first.revision}</Text>
          <Text size="sm">{new Date(first.at).toLocaleString()}</Text>
          <Text size="sm">{first.by}</Text>
          <Badge color="gray" variant="outline">{t('admin.via.' + (first.via || 'node'))}</Badge>
        </Group>
        <Group gap="xs">
          <Button size="compact-sm" variant="default" aria-expanded={!!detail} onClick={() => (detail ? setDetail(undefined) : run(async () => setDetail((await get<{ items: Change[] }>('/revisions/' + first.revision)).items)))}>{t('admin.what')}</Button>
          {may && <Button size="compact-sm" variant="default" loading={busy} onClick={ask}>{t('admin.undo')}</Button>}
        </Group>
      </Group>
      <Group gap={6} mt={4}>
        {changes.slice(0, many ? 5 : 6).map((c) => <Badge key={c.kind + c.name} color={colors[c.op]} variant="light" tt="none" c="var(--mantine-color-text)">{t('admin.op.' + c.op)} {label(c.kind)} {c.name}</Badge>)}
        {many && <Text size="sm">{t('admin.andmore', { count: changes.length - 5 })}</Text>}
      </Group>
      <Wrong wrong={wrong} forget={forget} />
      {detail?.slice(0, 50).map((c) => (
        <div key={c.kind + c.name}>
          <Text size="sm" fw={700} mt="xs">{t('admin.op.' + c.op)} {label(c.kind)} {c.name}</Text>
          <Diff was={c.before} is={c.spec} />
        </div>
      ))}
      {asked && (
        <Card withBorder mt="xs" role="group" aria-label={t('admin.undo')}>
          {asked.no ? <Text size="sm" role="alert">{t('admin.undono')} <span lang="en">{asked.no}</span></Text> : <Text size="sm">{t('admin.undowould')}</Text>}
          <List size="sm">{asked.changes.map((c) => <List.Item key={c}><Code>{c}</Code></List.Item>)}</List>
          <Told faults={asked.faults} />
          <Group mt="xs">
            {!asked.no && <Button size="xs" loading={busy} onClick={() => run(async () => { await post(`/revisions/${first.revision}/undo`); forgetNames(); setAsked(undefined); undone() })}>{t('admin.undoit')}</Button>}
            <Button size="xs" variant="default" onClick={() => setAsked(undefined)}>{t('admin.cancel')}</Button>
          </Group>
        </Card>
      )}
    </Card>
  )
}
