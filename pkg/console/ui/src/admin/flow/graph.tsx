// The picture of a flow: each step a box, each way out a line of it, from which a
// connection is drawn.
import '@xyflow/react/dist/style.css'
import dagre from '@dagrejs/dagre'
import { Background, Controls, Handle, MarkerType, MiniMap, Position, ReactFlow, useNodesState, type Edge, type Node, type NodeProps, type ReactFlowInstance } from '@xyflow/react'
import { useMantineColorScheme } from '@mantine/core'
import { useEffect, useMemo, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import type { Fault } from '../lib'
import type { Outline, Step } from './model'

export interface Figures {
  calls: number
  left: number
  steps: { step: string; entered: number; left: number; drop_off: number; failed: number; mean_ms: number }[]
}

interface Data extends Record<string, unknown> {
  step: Step
  start: boolean
  faults: Fault[]
  figures?: Figures['steps'][number]
  here: boolean
}

const WIDTH = 220
// Zoom at which the page begins, and at which a step can still be read.
const FIRST = 0.75
const READABLE = 0.6
const ROW = 20
const shownWays = (s: Step) => s.ways.filter((w) => w.to || !w.open)
const height = (d: Data) => 46 + (d.step.note ? 16 : 0) + (d.figures ? 18 : 0) + shownWays(d.step).length * ROW

function Box({ data, selected }: NodeProps<Node<Data>>) {
  const { t } = useTranslation()
  const { step, start, faults, figures, here } = data
  const wrong = faults.some((f) => !f.warning)
  return (
    <div className="step" data-step={step.name} data-fault={wrong || undefined}
      style={{ width: WIDTH, borderRadius: 8, background: 'var(--mantine-color-body)', border: `${selected || here ? 3 : 1}px solid ${wrong ? 'var(--mantine-color-red-7)' : here ? 'var(--mantine-color-green-7)' : selected ? 'var(--mantine-primary-color-filled)' : 'var(--mantine-color-gray-6)'}`, color: 'var(--mantine-color-text)', fontSize: 13 }}>
      <Handle type="target" position={Position.Left} style={{ top: 16, width: 10, height: 10 }} isConnectableStart={false} />
      <div style={{ padding: '4px 8px', borderBottom: '1px solid var(--mantine-color-default-border)' }}>
        <div style={{ display: 'flex', justifyContent: 'space-between', gap: 4 }}>
          <b style={{ overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap' }}>{start && '▶ '}{step.name}</b>
          {faults.length > 0 && <span title={faults.map((f) => f.message).join('\n')} style={{ color: wrong ? 'var(--mantine-color-error)' : 'var(--mantine-color-text)' }}>⚠ {faults.length}</span>}
        </div>
        <div style={{ color: 'var(--mantine-color-dimmed)', fontSize: 12 }}>{step.kind ? t('admin.step.' + step.kind, { defaultValue: step.kind }) : t('admin.flow.nothing')}</div>
        {step.note && <div style={{ fontSize: 11, overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap' }}>{step.note}</div>}
        {figures && <div style={{ fontSize: 11 }}>{t('admin.flow.figure', { entered: figures.entered, drop: Math.round(figures.drop_off * 100) })}{figures.failed > 0 && ' ' + t('admin.flow.failed', { count: figures.failed })}</div>}
      </div>
      {shownWays(step).map((w) => (
        <div key={w.path} style={{ position: 'relative', height: ROW, lineHeight: ROW + 'px', padding: '0 12px 0 8px', textAlign: 'right', fontSize: 12, color: w.to ? undefined : 'var(--mantine-color-error)' }}>
          {w.path.replace(/^(on|menu\.keys|queue\.keys|schedule|loop)\./, '')}
          <Handle id={w.path} type="source" position={Position.Right} style={{ width: 10, height: 10, top: ROW / 2 }} />
        </div>
      ))}
      {/* A way that is not taken yet begins here. */}
      <Handle id="+" type="source" position={Position.Bottom} style={{ width: 8, height: 8, opacity: 0 }} isConnectable={false} />
    </div>
  )
}

const types = { step: Box }

function arrange(nodes: Node<Data>[], edges: Edge[]) {
  const g = new dagre.graphlib.Graph({ multigraph: true }).setDefaultEdgeLabel(() => ({}))
  g.setGraph({ rankdir: 'LR', nodesep: 24, ranksep: 70, marginx: 16, marginy: 16 })
  for (const n of nodes) g.setNode(n.id, { width: WIDTH, height: height(n.data) })
  for (const e of edges) g.setEdge(e.source, e.target, {}, e.id)
  dagre.layout(g)
  return new Map(nodes.map((n) => {
    const p = g.node(n.id)
    return [n.id, { x: p.x - WIDTH / 2, y: p.y - height(n.data) / 2 }]
  }))
}

export function Picture({ graph, faults, figures, selected, here, select, lead, drop, may }: {
  graph: Outline
  faults: Fault[]
  figures?: Figures
  selected?: string
  here?: string
  select: (name?: string) => void
  lead: (step: string, path: string, to: string) => void
  drop: (name: string) => void
  may: boolean
}) {
  const { colorScheme } = useMantineColorScheme()
  const { t } = useTranslation()
  const edges = useMemo<Edge[]>(() => {
    const names = new Set(graph.steps.map((s) => s.name))
    return graph.steps.flatMap((s) => s.ways.filter((w) => w.to && names.has(w.to)).map((w) => ({ id: `${s.name} ${w.path}`, source: s.name, sourceHandle: w.path, target: w.to!, markerEnd: { type: MarkerType.ArrowClosed, color: 'var(--mantine-color-gray-6)' }, style: { stroke: 'var(--mantine-color-gray-6)', strokeWidth: 1.5 }, ariaLabel: `${s.name}: ${w.path} → ${w.to}` })))
  }, [graph])
  const made = useMemo(() => {
    const nodes: Node<Data>[] = graph.steps.map((s) => ({
      id: s.name, type: 'step', position: { x: 0, y: 0 }, ariaLabel: `${s.name}, ${s.kind ?? ''}`,
      data: { step: s, start: s.name === graph.start, faults: faults.filter((f) => f.path === 'steps.' + s.name || f.path.startsWith(`steps.${s.name}.`)), figures: figures?.steps.find((f) => f.step === s.name), here: here === s.name },
    }))
    const places = arrange(nodes, edges)
    return nodes.map((n) => ({ ...n, position: places.get(n.id)! }))
  }, [graph, faults, figures, here, edges])
  const shape = JSON.stringify([graph.steps.map((s) => [s.name, shownWays(s).length]), edges.map((e) => e.id + e.target)])
  const [nodes, setNodes, onNodesChange] = useNodesState(made)
  // What somebody has moved stays until the graph is another.
  useEffect(() => setNodes((old) => made.map((n) => ({ ...n, selected: n.id === selected }))
    .map((n) => ({ ...n, position: old.find((o) => o.id === n.id && o.data.step && (o as any).shape === shape)?.position ?? n.position, shape }) as any)), [made, selected, shape])
  const flow = useRef<ReactFlowInstance<Node<Data>, Edge>>(undefined)
  // What is chosen or played comes into sight, when it is not.
  const shownNow = here ?? selected
  useEffect(() => {
    const n = shownNow && flow.current?.getNode(shownNow)
    if (!n) return
    const box = document.querySelector('.react-flow')?.getBoundingClientRect()
    const at = flow.current!.flowToScreenPosition(n.position)
    const zoom = flow.current!.getZoom()
    if (!box || (zoom >= READABLE && at.x > box.left && at.x + WIDTH * zoom < box.right && at.y > box.top && at.y + 60 * zoom < box.bottom)) return
    void flow.current!.setCenter(n.position.x + WIDTH / 2, n.position.y + height(n.data) / 2, { zoom: Math.max(zoom, READABLE) })
  }, [shownNow, nodes.length])
  return (
    <ReactFlow nodes={nodes} edges={edges} nodeTypes={types} colorMode={colorScheme === 'auto' ? 'system' : colorScheme} onNodesChange={(c) => {
        onNodesChange(c)
        for (const x of c) if (x.type === 'select' && x.selected) select(x.id)
      }} minZoom={0.1}
      onInit={(i) => {
        flow.current = i
        const start = i.getNode(graph.start ?? '') ?? i.getNodes()[0]
        const box = document.querySelector('.react-flow')?.getBoundingClientRect()
        if (start && box) void i.setViewport({ x: 24 - start.position.x * FIRST, y: box.height / 2 - (start.position.y + height(start.data) / 2) * FIRST, zoom: FIRST })
      }} nodesConnectable={may} deleteKeyCode={may ? ['Delete', 'Backspace'] : null}
      proOptions={{ hideAttribution: false }}
      onConnect={(c) => c.sourceHandle && lead(c.source, c.sourceHandle, c.target)}
      onEdgesDelete={(gone) => gone.forEach((e) => e.sourceHandle && lead(e.source, e.sourceHandle, ''))}
      onBeforeDelete={async ({ nodes: n, edges: e }) => (n.length === 0 ? { nodes: [], edges: e } : confirm(t('admin.reallyremove', { what: n.map((x) => x.id).join(', ') })) ? { nodes: n, edges: [] } : false)}
      onNodesDelete={(gone) => gone.forEach((n) => drop(n.id))}
      onNodeClick={(_, n) => select(n.id)} onPaneClick={() => select(undefined)}>
      <Background />
      <Controls showInteractive={false} />
      {graph.steps.length > 12 && <MiniMap pannable zoomable ariaLabel={t('admin.flow.map')} />}
    </ReactFlow>
  )
}
