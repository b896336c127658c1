import { Badge, Group, Progress } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { usePhone } from '../phone'

const colors = { off: 'gray', connecting: 'orange', ready: 'green', elsewhere: 'orange', failed: 'red' }

// PhoneBadge says whether the phone would ring, and shows that the microphone hears.
export function PhoneBadge() {
  const { t } = useTranslation()
  const p = usePhone()
  return (
    <Group gap="xs">
      <Badge color={colors[p.state]} role="status">{t('phone.' + p.state)}</Badge>
      {p.state === 'ready' && <Progress w={60} value={p.level * 100} aria-label={t('phone.level')} />}
      {p.talk?.muted && <Badge color="red">{t('phone.muted')}</Badge>}
    </Group>
  )
}
