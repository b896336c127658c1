// What callers hear: listen, upload, have it spoken, go back to an older recording.
import { Anchor, Badge, Button, Card, FileButton, Group, NativeSelect, Stack, Table, Text, TextInput, Textarea, Title } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'wouter'
import { del, get, name as el, post, send } from '../api'
import { Wrong, useTry } from '../parts/error'
import { span } from '../parts/time'

interface Prompt {
  name: string
  number?: string
  languages: { language: string; source: string; version?: number; duration_ms?: number; text?: string }[]
  used_by: string[]
  missing?: string[]
  versions?: { language: string; version: number; in_use: boolean; at: string; by: string; source: string; text?: string; duration_ms: number }[]
}

export function Prompts() {
  const { t } = useTranslation()
  const [items, set] = useState<Prompt[]>()
  const [find, setFind] = useState('')
  const [all, setAll] = useState(false)
  const { run, wrong, forget } = useTry()
  useEffect(() => void run(async () => set((await get<{ items: Prompt[] }>('/prompts')).items)), [])
  const shown = items?.filter((p) => (all || find || p.used_by.length > 0 || p.languages.some((l) => l.source !== 'built_in')) && (!find || p.name.includes(find) || p.languages.some((l) => l.text?.toLowerCase().includes(find.toLowerCase()))))
  return (
    <Stack>
      <Group justify="space-between">
        <Title order={1} size="h4">{t('admin.page.prompts')}</Title>
        <Group><TextInput aria-label={t('admin.find')} placeholder={t('admin.find')} value={find} onChange={(e) => setFind(e.currentTarget.value)} /><Button variant="default" aria-pressed={all} onClick={() => setAll(!all)}>{t(all ? 'admin.promptsused' : 'admin.promptsall')}</Button><Button component={Link} href="/admin/prompt/+">{t('admin.new')}</Button></Group>
      </Group>
      <Wrong wrong={wrong} forget={forget} />
      <Card withBorder style={{ overflowX: 'auto' }}>
        {!shown ? <Text>{t('loading')}</Text> : (
          <Table>
            <Table.Thead><Table.Tr>{['name', 'languages', 'text', 'usedby'].map((k) => <Table.Th key={k}>{t('admin.' + k)}</Table.Th>)}</Table.Tr></Table.Thead>
            <Table.Tbody>{shown.slice(0, 300).map((p) => (
              <Table.Tr key={p.name}>
                <Table.Td><Anchor component={Link} href={'/admin/prompts/' + el(p.name)}>{p.name}</Anchor></Table.Td>
                <Table.Td>{p.languages.map((l) => l.language).join(', ')} {!!p.missing?.length && <Badge color="red">{t('admin.missing', { what: p.missing.join(', ') })}</Badge>}</Table.Td>
                <Table.Td>{p.languages[0]?.text}</Table.Td>
                <Table.Td>{p.used_by.join(', ')}</Table.Td>
              </Table.Tr>
            ))}</Table.Tbody>
          </Table>
        )}
      </Card>
    </Stack>
  )
}

export function PromptPage({ name, may }: { name: string; may: boolean }) {
  const { t } = useTranslation()
  const [p, set] = useState<Prompt>()
  const [language, setLanguage] = useState('en')
  const [text, setText] = useState('')
  const { run, wrong, busy, forget } = useTry()
  const look = async () => set(await get<Prompt>('/prompts/' + el(name)))
  useEffect(() => void run(look), [name])
  const act = (f: () => Promise<unknown>) => run(async () => { await f(); await look() })
  const audio = (l: string, v = 0) => `/api/v1/prompts/${el(name)}/audio?${new URLSearchParams({ language: l, ...(v ? { version: String(v) } : {}) })}`
  if (!p) return <><Wrong wrong={wrong} forget={forget} />{!wrong && t('loading')}</>
  return (
    <Stack>
      <Group justify="space-between">
        <Title order={1} size="h4"><Anchor component={Link} href="/admin/prompts">{t('admin.page.prompts')}</Anchor> / {name}</Title>
        <Button variant="default" component={Link} href={'/admin/prompt/' + el(name)}>{t('admin.document')}</Button>
      </Group>
      <Wrong wrong={wrong} forget={forget} />
      <Card withBorder>
        <Title order={2} size="h5">{t('admin.usedby')}</Title>
        <Group gap="xs">{p.used_by.length === 0 ? <Text c="dimmed">{t('admin.nobody')}</Text> : p.used_by.map((u) => <Anchor key={u} component={Link} href={u.startsWith('flow/') ? '/admin/flows/' + u.slice(5) : '/admin/' + u}>{u}</Anchor>)}</Group>
        {!!p.missing?.length && <Text mt="xs" c="var(--mantine-color-error)">{t('admin.missing', { what: p.missing.join(', ') })}</Text>}
      </Card>
      <Card withBorder style={{ overflowX: 'auto' }}>
        <Title order={2} size="h5">{t('admin.heard')}</Title>
        <Table><Table.Thead><Table.Tr>{['language', 'source', 'text', 'listen'].map((k) => <Table.Th key={k}>{k === 'language' ? t('language') : t('admin.' + k)}</Table.Th>)}</Table.Tr></Table.Thead>
          <Table.Tbody>{p.languages.map((l) => (
            <Table.Tr key={l.language}><Table.Td>{l.language}</Table.Td><Table.Td>{t('admin.sources.' + l.source, { defaultValue: l.source })} {l.version ?? ''}</Table.Td><Table.Td lang={l.language === 'any' ? undefined : l.language}>{l.text}</Table.Td>
              <Table.Td><audio controls preload="none" src={audio(l.language, 0)} aria-label={`${name} ${l.language}`} /></Table.Td></Table.Tr>
          ))}</Table.Tbody></Table>
      </Card>
      {may && (
        <Card withBorder>
          <Title order={2} size="h5">{t('admin.newversion')}</Title>
          <Group align="end">
            <NativeSelect label={t('language')} value={language} onChange={(e) => setLanguage(e.currentTarget.value)} data={[...new Set(['en', 'ro', 'ru', 'any', ...p.languages.map((l) => l.language)])]} />
            <FileButton accept=".wav,.flac,.mp3,.ogg,.opus,audio/*" onChange={(f) => f && act(() => send('POST', `/prompts/${el(name)}/versions?language=${language}`, f, { 'Content-Type': 'application/octet-stream', 'Idempotency-Key': crypto.randomUUID() }))}>{(b) => <Button variant="default" loading={busy} {...b}>{t('admin.upload')}</Button>}</FileButton>
            {p.number && <Text size="sm" c="dimmed">{t('admin.byphone', { number: p.number })}</Text>}
          </Group>
          <Textarea mt="xs" label={t('admin.speak')} autosize minRows={2} value={text} onChange={(e) => setText(e.currentTarget.value)} />
          <Button mt="xs" variant="default" loading={busy} disabled={!text} onClick={() => act(() => post(`/prompts/${el(name)}/speak`, { language, text }))}>{t('admin.synthesise')}</Button>
        </Card>
      )}
      {!!p.versions?.length && (
        <Card withBorder style={{ overflowX: 'auto' }}>
          <Title order={2} size="h5">{t('admin.versions')}</Title>
          <Table><Table.Thead><Table.Tr><Table.Th>{t('language')}</Table.Th>{['version', 'when', 'by', 'source', 'length', 'listen'].map((k) => <Table.Th key={k}>{t('admin.' + k)}</Table.Th>)}<Table.Th><span className="visually-hidden">{t('live.actions')}</span></Table.Th></Table.Tr></Table.Thead>
            <Table.Tbody>{p.versions.map((v) => (
              <Table.Tr key={v.language + v.version}>
                <Table.Td>{v.language}</Table.Td><Table.Td>{v.version} {v.in_use && <Badge color="green">{t('admin.inuse')}</Badge>}</Table.Td><Table.Td>{new Date(v.at).toLocaleString()}</Table.Td><Table.Td>{v.by}</Table.Td><Table.Td>{t('admin.sources.' + v.source, { defaultValue: v.source })}</Table.Td><Table.Td>{span(v.duration_ms)}</Table.Td>
                <Table.Td><audio controls preload="none" src={audio(v.language, v.version)} aria-label={`${name} ${v.language} ${v.version}`} /></Table.Td>
                <Table.Td>{may && <Group gap={4} justify="end">
                  {v.in_use ? <Button size="compact-sm" variant="default" onClick={() => act(() => post(`/prompts/${el(name)}/use`, { language: v.language, version: 0 }))}>{t('admin.usenone')}</Button>
                    : <Button size="compact-sm" variant="default" onClick={() => act(() => post(`/prompts/${el(name)}/use`, { language: v.language, version: v.version }))}>{t('admin.use')}</Button>}
                  <Button size="compact-sm" variant="default" onClick={() => confirm(t('admin.reallyremove', { what: `${v.language} ${v.version}` })) && act(() => del(`/prompts/${el(name)}/versions?language=${v.language}&version=${v.version}`))}>{t('admin.remove')}</Button>
                </Group>}</Table.Td>
              </Table.Tr>
            ))}</Table.Tbody></Table>
        </Card>
      )}
    </Stack>
  )
}
