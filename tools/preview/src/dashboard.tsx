// The page around the panels: title, variables, rows and the grid of 24 columns.
import { css } from "@emotion/css";
import { dateTime, type GrafanaTheme2, type InterpolateFunction, type TimeRange } from "@grafana/data";
import { Icon, PanelChrome, useStyles2 } from "@grafana/ui";
import type { Prepared } from "./fields";
import type { Annotation, Panel, Preview } from "./model";
import { Visualization } from "./panels";

const COLUMNS = 24;
const CELL = 30;
const GAP = 8;
const PADDING = 16;
const HEADER = 56;

interface Props {
  preview: Preview;
  panels: Panel[];
  prepared: Map<number, Prepared>;
  replace: InterpolateFunction;
}

export function Dashboard({ preview, panels, prepared, replace }: Props) {
  const styles = useStyles2(getStyles);
  const column = (document.documentElement.clientWidth - 2 * PADDING + GAP) / COLUMNS;
  const bottom = Math.max(...panels.map((panel) => panel.gridPos.y + panel.gridPos.h));
  return (
    <div className={styles.page} style={{ height: HEADER + bottom * (CELL + GAP) + PADDING }}>
      <Header preview={preview} />
      {panels.map((panel) => {
        const { x, y, w, h } = panel.gridPos;
        const box = { left: PADDING + x * column, top: HEADER + y * (CELL + GAP), width: w * column - GAP, height: h * (CELL + GAP) - GAP };
        return (
          <div key={panel.id} className={styles.cell} style={box}>
            {panel.type === "row" ? (
              <Row panel={panel} replace={replace} />
            ) : (
              <Framed panel={panel} size={box} preview={preview} prepared={prepared.get(panel.id)!} replace={replace} />
            )}
          </div>
        );
      })}
    </div>
  );
}

function Header({ preview }: { preview: Preview }) {
  const styles = useStyles2(getStyles);
  return (
    <div className={styles.header}>
      <span className={styles.title}>{preview.dashboard.title}</span>
      {preview.variables
        .filter((variable) => !variable.hidden)
        .map((variable) => (
          <Control key={variable.name} label={variable.label} text={variable.text} />
        ))}
      <span className={styles.space} />
      <Control icon="clock-nine" text={`${preview.range.text}  UTC`} />
    </div>
  );
}

function Control({ label, icon, text }: { label?: string; icon?: "clock-nine"; text: string }) {
  const styles = useStyles2(getStyles);
  return (
    <span className={styles.control}>
      {label && <span className={styles.label}>{label}</span>}
      <span className={styles.value}>
        {icon && <Icon name={icon} />} {text} <Icon name="angle-down" />
      </span>
    </span>
  );
}

function Row({ panel, replace }: { panel: Panel; replace: InterpolateFunction }) {
  const styles = useStyles2(getStyles);
  return (
    <div className={styles.row}>
      <Icon name={panel.collapsed ? "angle-right" : "angle-down"} /> {replace(panel.title ?? "")}
      {panel.collapsed && <span className={styles.count}>({panel.panels?.length ?? 0} panels)</span>}
    </div>
  );
}

interface FramedProps {
  panel: Panel;
  size: { width: number; height: number };
  preview: Preview;
  prepared: Prepared;
  replace: InterpolateFunction;
}

function Framed({ panel, size, preview, prepared, replace }: FramedProps) {
  const error = preview.answers[panel.id]?.error;
  return (
    <PanelChrome
      width={size.width}
      height={size.height}
      title={replace(panel.title ?? "")}
      description={panel.description}
      displayMode={panel.transparent ? "transparent" : "default"}
      padding={panel.type === "table" ? "none" : "md"}
      statusMessage={error}
    >
      {(width, height) => (
        <Visualization
          panel={panel}
          prepared={prepared}
          annotations={preview.annotations.filter((annotation) => isShownOn(annotation, panel))}
          timeRange={timeRange(preview)}
          width={width}
          height={height}
          replace={replace}
        />
      )}
    </PanelChrome>
  );
}

function isShownOn({ filter }: Annotation, panel: Panel): boolean {
  return !filter || filter.ids.includes(panel.id) !== Boolean(filter.exclude);
}

function timeRange({ range }: Preview): TimeRange {
  const from = dateTime(range.from);
  const to = dateTime(range.to);
  return { from, to, raw: { from, to } };
}

const getStyles = (theme: GrafanaTheme2) => ({
  page: css({ position: "relative", background: theme.colors.background.canvas, overflow: "hidden" }),
  cell: css({ position: "absolute" }),
  header: css({ display: "flex", alignItems: "center", gap: theme.spacing(1.5), height: HEADER, padding: `0 ${PADDING}px` }),
  title: css({ fontSize: theme.typography.h4.fontSize, fontWeight: theme.typography.fontWeightMedium, marginRight: theme.spacing(2) }),
  space: css({ flexGrow: 1 }),
  control: css({
    display: "inline-flex", border: `1px solid ${theme.components.input.borderColor}`, borderRadius: theme.shape.radius.default,
    background: theme.components.input.background, height: theme.spacing(4), alignItems: "center",
  }),
  label: css({
    padding: theme.spacing(0, 1), fontSize: theme.typography.bodySmall.fontSize, fontWeight: theme.typography.fontWeightMedium,
    borderRight: `1px solid ${theme.components.input.borderColor}`, height: "100%", display: "inline-flex", alignItems: "center",
  }),
  value: css({ padding: theme.spacing(0, 1), whiteSpace: "pre" }),
  row: css({ display: "flex", alignItems: "center", gap: theme.spacing(1), height: CELL, fontWeight: theme.typography.fontWeightMedium }),
  count: css({ color: theme.colors.text.secondary, fontWeight: theme.typography.fontWeightRegular }),
});
