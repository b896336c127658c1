// Everything as YAML: out, and in again with a look at what it would change.
import { Button, Card, Checkbox, Code, FileButton, Group, List, NativeSelect, Stack, Text, Textarea, Title } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Problem, send } from '../api'
import { Wrong, useTry } from '../parts/error'
import { apply, forget as forgetNames, kinds, save, type ApplyResult } from './lib'
import { Told, useKind } from './resource'

export function Exchange({ may }: { may: boolean }) {
  const { t } = useTranslation()
  const label = useKind()
  const [kind, setKind] = useState('')
  const [file, setFile] = useState('')
  const [text, setText] = useState('')
  const [prune, setPrune] = useState(false)
  const [plan, setPlan] = useState<ApplyResult & { refused?: string }>()
  const { run, wrong, busy, forget } = useTry()
  const write = (s: string) => {
    setText(s)
    setPlan(undefined)
  }
  const go = (dry: boolean) =>
    run(async () => {
      try {
        setPlan(await apply(text, file || 'console', { dry, prune }))
        if (!dry) forgetNames()
      } catch (e) {
        if (!(e instanceof Problem) || !e.result) throw e
        setPlan({ revision: 0, changes: e.result.changes ?? [], faults: e.result.faults, applied: false, refused: e.message })
      }
    })
  return (
    <Stack>
      <Title order={1} size="h4">{t('admin.page.exchange')}</Title>
      <Wrong wrong={wrong} forget={forget} />
      <Card withBorder component="section">
        <Title order={2} size="h5">{t('admin.export')}</Title>
        <Text size="sm" c="dimmed">{t('admin.exporthelp')}</Text>
        <Group mt="xs" align="end">
          <NativeSelect label={t('admin.whichkind')} value={kind} onChange={(e) => setKind(e.currentTarget.value)} data={[{ value: '', label: t('admin.all') }, ...[...kinds, 'flow'].map((k) => ({ value: k, label: label(k) }))]} />
          <Button onClick={() => run(async () => save((await send<string>('GET', '/resources' + (kind ? '?kind=' + kind : ''))).data, `centrala${kind && '-' + kind}.yaml`))}>{t('admin.download')}</Button>
        </Group>
      </Card>
      {may && (
        <Card withBorder component="section">
          <Title order={2} size="h5">{t('admin.import')}</Title>
          <Text size="sm" c="dimmed">{t('admin.importhelp')}</Text>
          <Group mt="xs"><FileButton accept=".yaml,.yml,text/yaml" onChange={async (f) => { if (f) { setFile(f.name); write(await f.text()) } }}>{(p) => <Button variant="default" {...p}>{t('admin.choosefile')}</Button>}</FileButton><Text size="sm">{file}</Text></Group>
          <Textarea mt="xs" label={t('admin.documents')} autosize minRows={6} maxRows={24} value={text} onChange={(e) => write(e.currentTarget.value)} styles={{ input: { fontFamily: 'monospace' } }} />
          <Checkbox mt="xs" label={t('admin.prune')} checked={prune} onChange={(e) => { setPrune(e.currentTarget.checked); setPlan(undefined) }} />
          <Group mt="xs">
            <Button variant="default" disabled={!text} loading={busy} onClick={() => go(true)}>{t('admin.check')}</Button>
            <Button disabled={!plan || !!plan.refused || plan.applied || plan.changes.length === 0} loading={busy} onClick={() => go(false)}>{t('admin.apply')}</Button>
          </Group>
          {plan && (
            <Stack mt="xs" gap="xs" role="status">
              <Text fw={700}>{plan.refused ? t('admin.refused') : plan.applied ? t('admin.saved', { revision: plan.revision }) : plan.changes.length ? t('admin.wouldchange') : t('admin.nodiff')}</Text>
              <Told faults={plan.faults ?? []} />
              <List size="sm">{plan.changes.map((c) => <List.Item key={c}><Code>{c}</Code></List.Item>)}</List>
            </Stack>
          )}
        </Card>
      )}
    </Stack>
  )
}
