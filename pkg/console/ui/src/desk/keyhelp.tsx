import { Button, Group, Kbd, Stack, Table, Text, Title } from '@mantine/core'
import { useEffect, useRef } from 'react'
import { useTranslation } from 'react-i18next'

const keys = ['A', 'R', 'M', 'H', 'T', 'X', 'S', 'W', 'L', 'K']

// KeyHelp lists the keys of the desk.
export function KeyHelp({ close }: { close: () => void }) {
  const { t } = useTranslation()
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => dialog.current?.showModal(), [])
  return (
    <dialog ref={dialog} onClose={close} aria-labelledby="keyhelp" className="sheet">
      <Stack>
        <Group justify="space-between">
          <Title order={2} size="h4" id="keyhelp">{t('desk.keys')}</Title>
          <Button variant="default" size="compact-sm" onClick={close} autoFocus>{t('close')}</Button>
        </Group>
        <Table>
          <Table.Tbody>
            {keys.map((k) => <Table.Tr key={k}><Table.Td><Kbd>Alt</Kbd>+<Kbd>{k}</Kbd></Table.Td><Table.Td>{t('key.' + k)}</Table.Td></Table.Tr>)}
            <Table.Tr><Table.Td><Kbd>Alt</Kbd>+<Kbd>1</Kbd>…<Kbd>9</Kbd></Table.Td><Table.Td>{t('key.digits')}</Table.Td></Table.Tr>
            <Table.Tr><Table.Td><Kbd>Esc</Kbd></Table.Td><Table.Td>{t('key.esc')}</Table.Td></Table.Tr>
          </Table.Tbody>
        </Table>
        <Text size="sm" c="dimmed">{t('key.note')}</Text>
      </Stack>
    </dialog>
  )
}
