// Opening hours as a week, and the days that are not like the others.
import { Button, Card, Checkbox, Fieldset, Group, Stack, Table, Text, TextInput } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { Remove, useFault, useLabel, type FieldProps } from './form'

const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']

interface Row {
  days?: string[]
  from?: string
  to?: string
}

// Hours: one row for each stretch of opening, a tick for each day; above it the week as a picture.
export function Hours({ path, value, set }: FieldProps) {
  const { t } = useTranslation()
  const label = useLabel()
  const wrong = useFault(path, true)
  const rows: Row[] = value ?? []
  const change = (i: number, c: Row) => set(rows.map((r, k) => (k === i ? { ...r, ...c } : r)))
  const title = label('hours')
  return (
    <Fieldset legend={title}>
      {path === 'hours' && <Week rows={rows} />}
      {rows.length > 0 && (
        <div style={{ overflowX: 'auto' }}>
          <Table verticalSpacing={4}>
            <Table.Thead><Table.Tr>{days.map((d) => <Table.Th key={d}>{t('admin.day.' + d)}</Table.Th>)}<Table.Th>{label('from')}</Table.Th><Table.Th>{label('to')}</Table.Th><Table.Th><span className="visually-hidden">{t('live.actions')}</span></Table.Th></Table.Tr></Table.Thead>
            <Table.Tbody>
              {rows.map((r, i) => (
                <Table.Tr key={i}>
                  {days.map((d) => <Table.Td key={d}><Checkbox aria-label={`${t('admin.day.' + d)} ${i + 1}`} checked={!!r.days?.includes(d)} onChange={(e) => change(i, { days: days.filter((x) => (x === d ? e.currentTarget.checked : r.days?.includes(x))) })} /></Table.Td>)}
                  <Table.Td><TextInput w={90} aria-label={`${label('from')} ${i + 1}`} placeholder="09:00" value={r.from ?? ''} onChange={(e) => change(i, { from: e.currentTarget.value })} /></Table.Td>
                  <Table.Td><TextInput w={90} aria-label={`${label('to')} ${i + 1}`} placeholder="18:00" value={r.to ?? ''} onChange={(e) => change(i, { to: e.currentTarget.value })} /></Table.Td>
                  <Table.Td><Remove what={`${title} ${i + 1}`} go={() => set(rows.length > 1 ? rows.filter((_, k) => k !== i) : undefined)} /></Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </div>
      )}
      <Button mt="xs" size="compact-sm" variant="default" onClick={() => set([...rows, { days: days.slice(0, 5), from: '09:00', to: '18:00' }])} aria-label={t('admin.addto', { what: title })}>{t('admin.add')}</Button>
      {wrong && <Text size="sm" c="var(--mantine-color-error)" role="alert">{wrong}</Text>}
    </Fieldset>
  )
}

const minutes = (s?: string) => {
  const m = /^(\d{1,2}):(\d\d)$/.exec(s ?? '')
  return m ? Math.min(1440, Number(m[1]) * 60 + Number(m[2])) : NaN
}

// Week is when it is open, as a picture; the table says the same in words.
function Week({ rows }: { rows: Row[] }) {
  const { t } = useTranslation()
  const bars: { day: number; from: number; to: number }[] = []
  for (const r of rows)
    for (const d of r.days ?? []) {
      const [from, to, day] = [minutes(r.from), minutes(r.to), days.indexOf(d)]
      if (Number.isNaN(from) || Number.isNaN(to) || day < 0) continue
      if (to > from) bars.push({ day, from, to })
      else bars.push({ day, from, to: 1440 }, { day: (day + 1) % 7, from: 0, to })
    }
  return (
    <svg viewBox="0 0 780 170" width="100%" style={{ maxWidth: 780 }} aria-hidden="true">
      {[0, 6, 12, 18, 24].map((h) => <g key={h}><line x1={50 + h * 30} x2={50 + h * 30} y1={0} y2={148} stroke="var(--mantine-color-default-border)" /><text x={50 + h * 30} y={164} fontSize={12} textAnchor="middle" fill="var(--mantine-color-dimmed)">{h}</text></g>)}
      {days.map((d, i) => <text key={d} x={0} y={16 + i * 21} fontSize={13} fill="var(--mantine-color-text)">{t('admin.day.' + d)}</text>)}
      {bars.map((b, i) => <rect key={i} x={50 + b.from / 2} width={Math.max(1, (b.to - b.from) / 2)} y={2 + b.day * 21} height={16} rx={3} fill="var(--mantine-primary-color-filled)" />)}
    </svg>
  )
}

// Holidays: a day of each year, of one year, or one that moves with Easter; closed, or with hours of its own.
export function Holidays({ path, value, set, schema }: FieldProps) {
  const { t } = useTranslation()
  const label = useLabel()
  const wrong = useFault(path, true)
  const rows: any[] = value ?? []
  const change = (i: number, c: object) => set(rows.map((r, k) => (k === i ? { ...r, ...c } : r)))
  const title = label('holidays')
  return (
    <Fieldset legend={title}>
      <Text size="xs" c="dimmed">{t('admin.holidayhelp')}</Text>
      <Stack gap="xs" mt="xs">
        {rows.map((r, i) => (
          <Card key={i} withBorder p="xs">
            <Group align="end">
              {(['name', 'date', 'until'] as const).map((k) => <TextInput key={k} label={label(k)} value={r[k] ?? ''} onChange={(e) => change(i, { [k]: e.currentTarget.value || undefined })} w={k === 'name' ? 220 : 160} />)}
              <Checkbox mb={8} label={t('admin.ownhours')} checked={r.hours !== undefined} onChange={(e) => change(i, { hours: e.currentTarget.checked ? [{ from: '10:00', to: '14:00' }] : undefined })} />
              <Remove what={`${title} ${i + 1}`} go={() => set(rows.length > 1 ? rows.filter((_, k) => k !== i) : undefined)} />
            </Group>
            {(r.hours ?? []).map((h: Row, n: number) => (
              <Group key={n} mt="xs">
                {(['from', 'to'] as const).map((k) => <TextInput key={k} w={100} aria-label={`${title} ${i + 1} ${label(k)}`} value={h[k] ?? ''} onChange={(e) => change(i, { hours: r.hours.map((x: Row, m: number) => (m === n ? { ...x, [k]: e.currentTarget.value } : x)) })} />)}
              </Group>
            ))}
          </Card>
        ))}
      </Stack>
      <Button mt="xs" size="compact-sm" variant="default" onClick={() => set([...rows, {}])} aria-label={t('admin.addto', { what: title })}>{t('admin.add')}</Button>
      {wrong && <Text size="sm" c="var(--mantine-color-error)" role="alert">{wrong}</Text>}
      {schema.description && <Text size="xs" c="dimmed" lang="en">{schema.description}</Text>}
    </Fieldset>
  )
}
