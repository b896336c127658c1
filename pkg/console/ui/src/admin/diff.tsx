import { Code, Table, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { differences } from './lib'

const shown = (v: unknown) => (v === undefined ? '' : typeof v === 'string' ? v : JSON.stringify(v))

// Diff is what differs between two values, field by field.
export function Diff({ was, is }: { was: unknown; is: unknown }) {
  const { t } = useTranslation()
  const all = differences(was, is)
  if (!all.length) return <Text size="sm" c="dimmed">{t('admin.nodiff')}</Text>
  return (
    <div style={{ overflowX: 'auto' }}>
      <Table verticalSpacing={2}>
        <Table.Thead><Table.Tr><Table.Th>{t('admin.fieldname')}</Table.Th><Table.Th>{t('admin.was')}</Table.Th><Table.Th>{t('admin.is')}</Table.Th></Table.Tr></Table.Thead>
        <Table.Tbody>{all.map((d) => (
          <Table.Tr key={d.path}>
            <Table.Td><Code>{d.path || '·'}</Code></Table.Td>
            <Table.Td style={{ whiteSpace: 'pre-wrap' }}>{d.was === undefined ? '–' : <del>{shown(d.was)}</del>}</Table.Td>
            <Table.Td style={{ whiteSpace: 'pre-wrap' }}>{d.is === undefined ? '–' : <ins>{shown(d.is)}</ins>}</Table.Td>
          </Table.Tr>
        ))}</Table.Tbody>
      </Table>
    </div>
  )
}
