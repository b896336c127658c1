import { Badge, Button, Card, Group, Menu, Stack, Table, Text, Title } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { Link } from 'wouter'
import { name as el, post } from '../api'
import { refreshNow, useLive } from '../live'
import { Wrong, useTry } from '../parts/error'
import { Since } from '../parts/time'

const colors: Record<string, string> = { ready: 'green', offered: 'blue', on_call: 'blue', wrap_up: 'yellow', not_ready: 'orange', offline: 'gray' }

// LivePage is what happens now: queues, people, callers.
export function LivePage() {
  const { t } = useTranslation()
  const { live } = useLive()
  const { run, wrong, forget } = useTry()
  const ask = (path: string, body: object) => run(async () => { await post(path, body); refreshNow() })
  if (!live) return <Text>{t('loading')}</Text>
  const waiting = live.queues.flatMap((q) => q.callers.map((c) => ({ ...c, queue: q.name })))
  return (
    <Stack>
      <Wrong wrong={wrong} forget={forget} />
      <Card withBorder>
        <Title order={1} size="h4">{t('live.queues')}</Title>
        <div style={{ overflowX: 'auto' }}>
          <Table>
            <Table.Thead><Table.Tr>{['queue', 'waiting', 'longest', 'in', 'free', 'talking', 'wrapping', 'paused'].map((k) => <Table.Th key={k}>{t('live.' + k)}</Table.Th>)}</Table.Tr></Table.Thead>
            <Table.Tbody>
              {live.queues.map((q) => (
                <Table.Tr key={q.name} data-queue={q.name}>
                  <Table.Td>{q.display_name ?? q.name}</Table.Td>
                  <Table.Td>{q.waiting > 0 ? <Badge size="lg" color={q.free > 0 ? 'blue' : 'red'}>{q.waiting}</Badge> : 0}</Table.Td>
                  <Table.Td><Since at={q.oldest} /></Table.Td>
                  <Table.Td>{q.logged_in}</Table.Td>
                  <Table.Td>{q.free}</Table.Td>
                  <Table.Td>{q.states.on_call ?? 0}</Table.Td>
                  <Table.Td>{q.states.wrap_up ?? 0}</Table.Td>
                  <Table.Td>{q.states.not_ready ?? 0}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </div>
      </Card>
      <Card withBorder>
        <Title order={2} size="h4">{t('live.callers')}</Title>
        {waiting.length === 0 ? <Text c="dimmed">{t('live.nobody')}</Text> : (
          <Table>
            <Table.Thead><Table.Tr>{['queue', 'place', 'from', 'waits'].map((k) => <Table.Th key={k}>{t('live.' + k)}</Table.Th>)}<Table.Th><span className="visually-hidden">{t('live.actions')}</span></Table.Th></Table.Tr></Table.Thead>
            <Table.Tbody>
              {waiting.map((c) => (
                <Table.Tr key={c.call_id}>
                  <Table.Td>{c.queue}</Table.Td>
                  <Table.Td>{c.position}</Table.Td>
                  <Table.Td><Link href={'/calls/' + c.call_id}>{live.calls.find((x) => x.id === c.call_id)?.from ?? t('call.unknown')}</Link></Table.Td>
                  <Table.Td><Since at={c.joined} /></Table.Td>
                  <Table.Td>
                    <Menu>
                      <Menu.Target><Button size="compact-sm" variant="default">{t('live.give')}</Button></Menu.Target>
                      <Menu.Dropdown>
                        {live.agents.filter((a) => a.state === 'ready').map((a) => <Menu.Item key={a.name} onClick={() => ask(`/calls/${el(c.call_id)}/assign`, { agent: a.name })}>{a.name}</Menu.Item>)}
                        <Menu.Item onClick={() => ask(`/calls/${el(c.call_id)}/priority`, { priority: 100 })}>{t('live.first')}</Menu.Item>
                      </Menu.Dropdown>
                    </Menu>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        )}
      </Card>
      <Card withBorder>
        <Title order={2} size="h4">{t('live.agents')}</Title>
        <div style={{ overflowX: 'auto' }}>
          <Table>
            <Table.Thead><Table.Tr>{['agent', 'state', 'since', 'caller'].map((k) => <Table.Th key={k}>{t('live.' + k)}</Table.Th>)}<Table.Th><span className="visually-hidden">{t('live.actions')}</span></Table.Th></Table.Tr></Table.Thead>
            <Table.Tbody>
              {live.agents.map((a) => {
                const call = a.state === 'offline' ? undefined : live.calls.find((c) => a.calls?.includes(c.id) || (c.agent === a.name && !c.ended))
                return (
                  <Table.Tr key={a.name} data-agent={a.name}>
                    <Table.Td>{a.name}{!a.reachable && a.state !== 'offline' && <Badge ml="xs" color="red">{t('live.unreachable')}</Badge>}</Table.Td>
                    <Table.Td><Badge color={colors[a.state] ?? 'gray'} data-state={a.state}>{t('agent.' + a.state)}</Badge> {a.reason && t('reason.' + a.reason, { defaultValue: a.reason })}</Table.Td>
                    <Table.Td><Since at={a.since} /></Table.Td>
                    <Table.Td>{call && <Link href={'/calls/' + call.id}>{call.from ?? t('call.unknown')}</Link>}</Table.Td>
                    <Table.Td>
                      <Group gap="xs" justify="end">
                        {call && (['monitor', 'whisper', 'barge'] as const).map((mode) => (
                          <Button key={mode} size="compact-sm" variant="default" onClick={() => ask(`/calls/${el(call.id)}/supervise`, { mode })}>{t('live.' + mode)}</Button>
                        ))}
                        <Menu>
                          <Menu.Target><Button size="compact-sm" variant="default">{t('live.set')}</Button></Menu.Target>
                          <Menu.Dropdown>
                            <Menu.Item onClick={() => ask(`/agents/${el(a.name)}/state`, { state: 'ready' })}>{t('agent.ready')}</Menu.Item>
                            <Menu.Item onClick={() => ask(`/agents/${el(a.name)}/state`, { state: 'not_ready', reason: 'supervisor' })}>{t('agent.not_ready')}</Menu.Item>
                            <Menu.Item onClick={() => ask(`/agents/${el(a.name)}/state`, { state: 'offline' })}>{t('agent.offline')}</Menu.Item>
                          </Menu.Dropdown>
                        </Menu>
                      </Group>
                    </Table.Td>
                  </Table.Tr>
                )
              })}
            </Table.Tbody>
          </Table>
        </div>
      </Card>
    </Stack>
  )
}
