import { Button, SimpleGrid } from '@mantine/core'
import { useTranslation } from 'react-i18next'

export function Keypad({ press }: { press: (key: string) => void }) {
  const { t } = useTranslation()
  return (
    <SimpleGrid cols={3} spacing="xs" maw={220} role="group" aria-label={t('phone.keypad')}>
      {[...'123456789*0#'].map((k) => (
        <Button key={k} variant="default" size="md" onClick={() => press(k)}>{k}</Button>
      ))}
    </SimpleGrid>
  )
}
