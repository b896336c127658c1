import { Button, Card, Group, Stack, Text, Title } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { get, name as el, post } from '../api'
import { Wrong, useTry } from '../parts/error'
import { Fields } from '../parts/fields'
import type { Page, Sheet } from './sheet'

type Values = Record<string, string>

// filled puts values in the place of ${name}; what is not known stays away.
const filled = (text: string, values: Values) => text.replace(/\$\{(\w+)\}/g, (_, name) => values[name] ?? '')

const next = (pages: Page[], at: number, answers: Values) => {
  const p = pages[at]
  const to = p.branches?.find((b) => answers[b.question] === b.is)?.page ?? p.next ?? ''
  if (to === '-') return -1
  return to === '' ? (at + 1 < pages.length ? at + 1 : -1) : pages.findIndex((x) => x.name === to)
}

// Script is what the agent says and asks, page by page. Answers are kept at each step.
export function Script({ callID, name, script, known, contact }: { callID: string; name: string; script: Sheet['scripts'][string]; known: Values; contact?: string }) {
  const { t } = useTranslation()
  const { run, wrong, busy, forget } = useTry()
  const [way, setWay] = useState([0])
  const [answers, setAnswers] = useState<Values>({})
  const [done, setDone] = useState(false)
  useEffect(() => {
    setWay([0])
    setAnswers({})
    setDone(false)
    void get<{ items: { script: string; answers: Values; done: boolean }[] }>('/answers?limit=10&call=' + el(callID)).then((r) => {
      const mine = r.items.find((x) => x.script === name)
      if (!mine) return
      setAnswers(mine.answers)
      setDone(mine.done)
    }, () => {})
  }, [callID, name])
  const at = way[way.length - 1]
  const page = script.pages[at]
  if (!page) return null
  const to = next(script.pages, at, answers)
  const missing = (page.questions ?? []).some((q) => q.required && !answers[q.name])
  const asked = script.pages.some((p) => p.questions?.length)
  const keep = (end: boolean) => asked
    ? run(async () => {
        const given = Object.fromEntries(Object.entries(answers).filter(([, v]) => v !== ''))
        await post(`/calls/${el(callID)}/answers`, { script: name, answers: given, contact, done: end })
        if (end) setDone(true)
        else setWay([...way, to])
      })
    : (end ? setDone(true) : setWay([...way, to]))
  return (
    <Card withBorder data-script={done ? 'done' : page.name}>
      <Stack gap="xs" component="form" onSubmit={(e: React.FormEvent) => { e.preventDefault(); if (!missing) void keep(to < 0) }}>
        <Title order={2} size="h4">{script.display_name ?? t('script.title')}</Title>
        <Wrong wrong={wrong} forget={forget} />
        {done ? (
          <Text role="status">{t('script.done')}</Text>
        ) : (
          <>
            {page.text && <Text style={{ whiteSpace: 'pre-line' }} size="lg">{filled(page.text, { ...known, ...answers })}</Text>}
            <Fields fields={page.questions ?? []} values={answers} change={setAnswers} />
          </>
        )}
        <Group gap="xs">
          {way.length > 1 && !done && <Button variant="default" onClick={() => setWay(way.slice(0, -1))}>{t('script.back')}</Button>}
          {done
            ? <Button variant="default" onClick={() => { setDone(false); setWay([0]) }}>{t('script.again')}</Button>
            : <Button type="submit" loading={busy} disabled={missing} title={missing ? t('script.missing') : undefined}>{to < 0 ? t('script.end') : t('script.next')}</Button>}
        </Group>
      </Stack>
    </Card>
  )
}
