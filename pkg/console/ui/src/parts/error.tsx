import { Alert, Button, Group } from '@mantine/core'
import { useCallback, useState } from 'react'
import { useTranslation } from 'react-i18next'

// useTry runs what may fail and keeps what went wrong for Wrong to show.
export function useTry() {
  const [wrong, set] = useState<string>()
  const [busy, setBusy] = useState(false)
  const run = useCallback(async (f: () => Promise<unknown>) => {
    setBusy(true)
    try {
      await f()
      set(undefined)
    } catch (e) {
      set((e as Error).message)
    }
    setBusy(false)
  }, [])
  return { run, wrong, busy, forget: () => set(undefined) }
}

export function Wrong({ wrong, forget }: { wrong?: string; forget: () => void }) {
  const { t } = useTranslation()
  if (!wrong) return null
  return (
    <Alert color="red" role="alert" title={t('error.title')}>
      <Group justify="space-between">
        {wrong}
        <Button size="compact-xs" variant="default" onClick={forget}>
          {t('close')}
        </Button>
      </Group>
    </Alert>
  )
}
