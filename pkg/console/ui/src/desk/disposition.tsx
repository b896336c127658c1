import { Alert, Button, Card, Group, Kbd, Stack, Text, TextInput, Title } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { get, name as el, post } from '../api'
import type { Call } from '../live'
import { Wrong, useTry } from '../parts/error'
import type { Choice, DeskQueue } from './sheet'

// Dispositions: how the call went, by one click or Alt and a digit; a second click with
// the note changes it. It can be given in the call and after it.
export function Dispositions({ callID, queue, me, due, later }: { callID: string; queue: DeskQueue; me: string; due?: boolean; later: () => void }) {
  const { t } = useTranslation()
  const { run, wrong, busy, forget } = useTry()
  const [given, setGiven] = useState<string>()
  const [note, setNote] = useState('')
  useEffect(() => {
    setGiven(undefined)
    setNote('')
    // After a reload the page does not know what was said before.
    void get<Call & { dispositions?: { agent: string; disposition: string; note?: string }[] }>('/calls/' + el(callID)).then((c) => {
      const mine = c.dispositions?.find((d) => d.agent === me)
      if (mine) setGiven((was) => was ?? mine.disposition)
      if (mine?.note) setNote((was) => was || mine.note!)
    }, () => {})
  }, [callID, me])
  const give = (c: Choice, text = note) =>
    run(async () => {
      await post(`/calls/${el(callID)}/disposition`, { disposition: c.name, ...(text.trim() ? { note: text } : {}) })
      setGiven(c.name)
      if (c.callback) later()
    })
  const all = queue.dispositions
  useEffect(() => {
    // Alt and a digit, by the place of the key: Alt alone writes letters on some keyboards.
    const key = (e: KeyboardEvent) => {
      const n = /^(?:Digit|Numpad)([1-9])$/.exec(e.code)?.[1]
      if (!n || !e.altKey || e.ctrlKey || e.metaKey || e.repeat) return
      const c = all[+n - 1]
      if (!c) return
      e.preventDefault()
      void give(c)
    }
    window.addEventListener('keydown', key)
    return () => window.removeEventListener('keydown', key)
  })
  const groups = [...new Set(all.map((c) => c.group ?? ''))]
  return (
    <Card withBorder data-disposition={given ?? ''}>
      <Stack gap="xs">
        <Title order={2} size="h5">{t('disposition.title')}</Title>
        <Wrong wrong={wrong} forget={forget} />
        {due && !given && <Alert color="orange" p="xs">{t('disposition.due')}</Alert>}
        {groups.map((g) => (
          <Stack gap={4} key={g} role="group" aria-label={g || t('disposition.title')}>
            {g && <Text size="xs" c="dimmed" tt="uppercase">{g}</Text>}
            <Group gap="xs">
              {all.map((c, i) => (c.group ?? '') === g && (
                <Button key={c.name} size="compact-md" variant={given === c.name ? 'filled' : 'default'} aria-pressed={given === c.name} disabled={busy} onClick={() => give(c)}
                  rightSection={i < 9 ? <Kbd size="xs">{i + 1}</Kbd> : undefined}>{c.label}</Button>
              ))}
            </Group>
          </Stack>
        ))}
        <TextInput label={t('disposition.note')} value={note} maxLength={2000} onChange={(e) => setNote(e.currentTarget.value)}
          onBlur={() => { const c = all.find((c) => c.name === given); if (c && note.trim()) void give(c) }} />
      </Stack>
    </Card>
  )
}
