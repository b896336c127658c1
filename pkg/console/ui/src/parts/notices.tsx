import { Alert, Button, Group, Text } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { get, name as el, post } from '../api'
import { useLive } from '../live'

interface Notice { id: string; at: string; by: string; text: string }

// Notices are what a supervisor has said to this agent, until it is acknowledged.
export function Notices({ me }: { me: string }) {
  const { t, i18n } = useTranslation()
  const { live } = useLive()
  const unread = live?.agents.find((a) => a.name === me)?.notices ?? 0
  const [list, set] = useState<Notice[]>([])
  useEffect(() => {
    if (!unread) set([])
    else get<{ notices: Notice[] }>(`/notices?unread=true&agent=${encodeURIComponent(me)}`).then((r) => set(r.notices), () => {})
  }, [me, unread])
  return (
    <div role="alert">
      {list.map((n) => (
        <Alert key={n.id} color="yellow" mb="sm" title={t('notice.title', { by: n.by })} data-notice={n.id}>
          <Group justify="space-between">
            <Text>{n.text} <Text span size="sm">({new Date(n.at).toLocaleTimeString(i18n.language)})</Text></Text>
            <Button size="compact-sm" variant="default" onClick={() => void post(`/notices/${el(n.id)}/read`).then(() => set((l) => l.filter((x) => x.id !== n.id)), () => {})}>{t('notice.read')}</Button>
          </Group>
        </Alert>
      ))}
    </div>
  )
}
