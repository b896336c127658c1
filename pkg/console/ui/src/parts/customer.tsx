import { Badge, Button, Card, Group, NativeSelect, Stack, Table, Text, TextInput, Textarea, Title } from '@mantine/core'
import { useCallback, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { get, name as el, patch, post } from '../api'
import { Wrong, useTry } from './error'
import { FieldInput, type Field } from './fields'

interface Note { at: string; by: string; text: string }
interface Contact { id: string; name?: string; company?: string; email?: string; tier?: string; owner?: string; language?: string; numbers?: string[]; fields?: Record<string, string>; notes?: Note[] }
interface Case { id: string; number: number; type: string; state: string; subject: string; owner?: string; closed: boolean; opened: string }
interface CaseType { name: string; states: string[]; final: string[]; fields?: Field[] }

// Customer is who the number belongs to, what they said before, and what is open.
// Everything is kept at once, on the server.
export function Customer({ number, callID, told }: { number?: string; callID?: string; told?: (c: Contact | null | undefined) => void }) {
  const { t, i18n } = useTranslation()
  const [contact, setContact] = useState<Contact | null>()
  const [cases, setCases] = useState<Case[]>([])
  const [types, setTypes] = useState<CaseType[]>([])
  const [draft, setDraft] = useState({ name: '', company: '', email: '' })
  const [note, setNote] = useState('')
  const [about, setAbout] = useState({ type: '', subject: '', fields: {} as Record<string, string> })
  const { run, wrong, busy, forget } = useTry()

  const look = useCallback(async () => {
    if (!number) return
    const found = (await get<{ contacts: Contact[] }>('/contacts?number=' + encodeURIComponent(number))).contacts[0]
    setContact(found ?? null)
    setDraft({ name: found?.name ?? '', company: found?.company ?? '', email: found?.email ?? '' })
    setCases(found ? (await get<{ cases: Case[] }>('/cases?limit=10&contact=' + el(found.id))).cases : [])
  }, [number])
  useEffect(() => {
    setContact(undefined)
    void run(look)
    void get<{ items: CaseType[] }>('/case_types').then((r) => setTypes(r.items), () => {})
  }, [look])

  useEffect(() => told?.(contact), [contact])

  if (!number) return null
  const keep = () =>
    run(async () => {
      if (contact) await patch('/contacts/' + el(contact.id), draft)
      else await post('/contacts', { ...draft, numbers: [number] })
      await look()
    })
  const changed = draft.name !== (contact?.name ?? '') || draft.company !== (contact?.company ?? '') || draft.email !== (contact?.email ?? '')
  const type = types.find((x) => x.name === (about.type || types[0]?.name))
  const open = () =>
    run(async () => {
      await post('/cases', { type: type!.name, subject: about.subject, contact: contact?.id, call_id: callID, fields: Object.fromEntries(Object.entries(about.fields).filter(([, v]) => v !== '')) })
      setAbout({ type: about.type, subject: '', fields: {} })
      await look()
    })
  return (
    <Card withBorder>
      <Stack gap="sm">
        <Group justify="space-between">
          <Title order={2} size="h4">{t('customer.title')}</Title>
          {contact?.tier && <Badge>{contact.tier}</Badge>}
        </Group>
        <Wrong wrong={wrong} forget={forget} />
        <Group align="end" component="form" onSubmit={(e: React.FormEvent) => { e.preventDefault(); void keep() }}>
          <TextInput label={t('customer.name')} value={draft.name} onChange={(e) => setDraft({ ...draft, name: e.currentTarget.value })} />
          <TextInput label={t('customer.company')} value={draft.company} onChange={(e) => setDraft({ ...draft, company: e.currentTarget.value })} />
          <TextInput label={t('customer.email')} type="email" value={draft.email} onChange={(e) => setDraft({ ...draft, email: e.currentTarget.value })} />
          <Button type="submit" variant="default" loading={busy} disabled={!changed || contact === undefined}>{contact ? t('customer.keep') : t('customer.new')}</Button>
        </Group>
        {contact && (
          <>
            <Stack gap={4}>
              {(contact.notes ?? []).slice(-5).map((n, i) => (
                <Text size="sm" key={i}><b>{new Date(n.at).toLocaleDateString(i18n.language)} {n.by}:</b> {n.text}</Text>
              ))}
            </Stack>
            <Group align="end" component="form" onSubmit={(e: React.FormEvent) => { e.preventDefault(); void run(async () => { await post(`/contacts/${el(contact.id)}/notes`, { text: note, call_id: callID }); setNote(''); await look() }) }}>
              <Textarea label={t('customer.note')} autosize minRows={1} maxRows={5} flex={1} value={note} onChange={(e) => setNote(e.currentTarget.value)} />
              <Button type="submit" variant="default" loading={busy} disabled={!note.trim()}>{t('customer.add')}</Button>
            </Group>
            <Title order={3} size="h5">{t('customer.cases')}</Title>
            {cases.length > 0 && (
              <Table>
                <Table.Thead><Table.Tr>{['number', 'type', 'subject', 'state'].map((k) => <Table.Th key={k}>{t('customer.case.' + k)}</Table.Th>)}</Table.Tr></Table.Thead>
                <Table.Tbody>
                  {cases.map((c) => (
                    <Table.Tr key={c.id}>
                      <Table.Td>{c.number}</Table.Td>
                      <Table.Td>{t('casetype.' + c.type, { defaultValue: c.type })}</Table.Td>
                      <Table.Td>{c.subject}</Table.Td>
                      <Table.Td>
                        <NativeSelect size="xs" aria-label={t('customer.case.state') + ' ' + c.number} value={c.state} data={(types.find((x) => x.name === c.type)?.states ?? [c.state]).map((s) => ({ value: s, label: t('casestate.' + s, { defaultValue: s }) }))}
                          onChange={(e) => { const state = e.currentTarget.value; void run(async () => { await patch('/cases/' + el(c.id), { state }); await look() }) }} />
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            )}
            {type && (
              <Group align="end" component="form" onSubmit={(e: React.FormEvent) => { e.preventDefault(); void open() }}>
                <NativeSelect label={t('customer.case.type')} value={type.name} onChange={(e) => setAbout({ ...about, type: e.currentTarget.value, fields: {} })} data={types.map((x) => ({ value: x.name, label: t('casetype.' + x.name, { defaultValue: x.name }) }))} />
                <TextInput label={t('customer.case.subject')} value={about.subject} onChange={(e) => setAbout({ ...about, subject: e.currentTarget.value })} flex={1} />
                {(type.fields ?? []).map((f) => (
                  <FieldInput key={f.name} field={f} value={about.fields[f.name] ?? ''} change={(v) => setAbout({ ...about, fields: { ...about.fields, [f.name]: v } })} />
                ))}
                <Button type="submit" loading={busy} disabled={!about.subject.trim()}>{t('customer.case.open')}</Button>
              </Group>
            )}
          </>
        )}
      </Stack>
    </Card>
  )
}
