import { Card, SimpleGrid, Text, Title } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { get } from '../api'
import { span } from '../parts/time'

interface Line { counters: Record<string, number>; figures: Record<string, number | null> }

// The report's own counters and figures: a number here is the one of the report.
const shown: { word: string; value: (l: Line) => string; formula?: string }[] = [
  { word: 'handled', value: (l) => String(l.counters.handled ?? 0) },
  { word: 'talk', value: (l) => span(l.counters.talk_ms ?? 0) },
  { word: 'wrapup', value: (l) => span(l.counters.wrap_up_ms ?? 0) },
  { word: 'aht', value: (l) => (l.figures.aht == null ? '–' : span(l.figures.aht * 1000)), formula: 'aht' },
  { word: 'occupancy', value: (l) => (l.figures.occupancy == null ? '–' : Math.round(l.figures.occupancy * 100) + ' %'), formula: 'occupancy' },
  { word: 'missed', value: (l) => String(l.counters.ring_no_answer ?? 0) },
  { word: 'ready', value: (l) => span(l.counters.ready_ms ?? 0) },
  { word: 'paused', value: (l) => span(l.counters.not_ready_ms ?? 0) },
]

// Figures of the agent's day, counted by the server; anew when the state changes and each
// minute.
export function Figures({ me, state }: { me: string; state?: string }) {
  const { t } = useTranslation()
  const [report, set] = useState<{ items: Line[]; formulas: Record<string, string> }>()
  useEffect(() => {
    let gone = false
    const look = () => get<{ items: Line[]; formulas: Record<string, string> }>('/reports?by=agent&name=' + encodeURIComponent(me)).then((r) => !gone && set(r), () => {})
    void look()
    const timer = setInterval(look, 60_000)
    return () => {
      gone = true
      clearInterval(timer)
    }
  }, [me, state])
  const line = report?.items[0] ?? { counters: {}, figures: {} }
  return (
    <Card withBorder data-figures={report ? '' : undefined}>
      <Title order={2} size="h5">{t('figures.title')}</Title>
      <SimpleGrid cols={2} spacing={4} verticalSpacing={4} component="dl" m={0} mt="xs">
        {shown.map((f) => (
          <div key={f.word} title={f.formula && report?.formulas[f.formula]}>
            <Text component="dt" size="xs" c="dimmed">{t('figures.' + f.word)}</Text>
            <Text component="dd" m={0} className="tabular" fw={700}>{f.value(line)}</Text>
          </div>
        ))}
      </SimpleGrid>
    </Card>
  )
}
