// Bar charts and status histories live in Grafana's application and not in its library. These are drawn after them, with the
// library's colours, texts and legend.
import { css } from "@emotion/css";
import {
  type DataFrame,
  dateTimeFormat,
  type Field,
  FieldType,
  formattedValueToString,
  getFieldDisplayName,
  getFieldSeriesColor,
  type GrafanaTheme2,
} from "@grafana/data";
import { LegendDisplayMode } from "@grafana/schema";
import { measureText, useTheme2, VizLayout, VizLegend, type VizLegendItem } from "@grafana/ui";
import type { ReactNode } from "react";
import { NoData } from "./nodata";
import type { VisualizationProps } from "./panels";

const FONT = 12;
const LINE = 18;
const GUTTER = 8;

const textWidth = (text: string) => measureText(text, FONT).width;

function shortened(text: string, width: number): string {
  let shown = text;
  while (shown.length > 1 && textWidth(shown) > width) {
    shown = `${shown.slice(0, -2)}…`;
  }
  return shown;
}

function textOf(field: Field, value: unknown): string {
  return field.display ? formattedValueToString(field.display(value)) : String(value);
}

function legendOf(fields: Field[], frame: DataFrame, theme: GrafanaTheme2): VizLegendItem[] {
  return fields.map((field) => ({
    label: getFieldDisplayName(field, frame),
    color: getFieldSeriesColor(field, theme).color,
    yAxis: 1,
  }));
}

interface Scale {
  ticks: number[];
  top: number;
  bottom: number;
}

/** About five round numbers over the values, zero among them. */
function scaleOf(lowest: number, highest: number): Scale {
  const span = Math.max(highest, 0) - Math.min(lowest, 0) || 1;
  const power = 10 ** Math.floor(Math.log10(span / 5));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => span / candidate <= 5) ?? power;
  const bottom = Math.floor(Math.min(lowest, 0) / step) * step;
  const top = Math.ceil(Math.max(highest, 0) / step) * step;
  const count = Math.round((top - bottom) / step);
  return { ticks: Array.from({ length: count + 1 }, (_, place) => bottom + place * step), top, bottom };
}

export function BarChartPanel({ panel, prepared, width, height }: VisualizationProps) {
  const theme = useTheme2();
  const options = panel.options ?? {};
  const frame = prepared.frames.find((candidate) => candidate.length > 0);
  const fields = frame?.fields.filter((field) => field.type === FieldType.number && !field.config.custom?.hideFrom?.viz) ?? [];
  if (!frame || fields.length === 0) {
    return <NoData panel={panel} />;
  }
  const names = frame.fields.find((field) => field.name === options.xField) ?? frame.fields.find((field) => field.type === FieldType.string);
  const bars: Bars = { frame, fields, names: names ?? frame.fields[0]!, stacked: options.stacking === "normal", theme };
  const legend =
    options.legend?.showLegend !== false && fields.length > 0 ? (
      <VizLayout.Legend placement="bottom">
        <VizLegend placement="bottom" displayMode={LegendDisplayMode.List} items={legendOf(fields, frame, theme)} />
      </VizLayout.Legend>
    ) : null;
  return (
    <VizLayout width={width} height={height} legend={legend}>
      {(w, h) => (options.orientation === "horizontal" ? <Horizontal {...bars} width={w} height={h} /> : <Vertical {...bars} width={w} height={h} />)}
    </VizLayout>
  );
}

interface Bars {
  frame: DataFrame;
  fields: Field[];
  names: Field;
  stacked: boolean;
  theme: GrafanaTheme2;
}

type Sized = Bars & { width: number; height: number };

interface Piece {
  from: number;
  to: number;
  field: Field;
  value: number;
}

/** The pieces of one bar when stacked, or the bars of one group, each from zero. */
function piecesOf({ fields, stacked }: Bars, row: number): Piece[] {
  let reached = 0;
  return fields.flatMap((field) => {
    const value = field.values[row];
    if (value == null) {
      return [];
    }
    const from = stacked ? reached : 0;
    reached = from + value;
    return [{ from, to: from + value, field, value }];
  });
}

function extent(bars: Bars): Scale {
  const reached = Array.from({ length: bars.frame.length }, (_, row) => piecesOf(bars, row).map((piece) => piece.to)).flat();
  const { min, max } = bars.fields[0]!.config;
  return scaleOf(Math.min(min ?? 0, ...reached), Math.max(max ?? 0, ...reached));
}

function pieceColor(piece: Piece, theme: GrafanaTheme2): string {
  const byValue = piece.field.config.color?.mode === "thresholds" || piece.field.config.color?.mode?.startsWith("continuous");
  return byValue ? (piece.field.display?.(piece.value).color ?? "gray") : getFieldSeriesColor(piece.field, theme).color;
}

function Vertical(bars: Sized) {
  const { frame, fields, names, stacked, theme, width, height } = bars;
  const scale = extent(bars);
  const labels = scale.ticks.map((tick) => textOf(fields[0]!, tick));
  const left = Math.max(...labels.map(textWidth)) + GUTTER;
  const bottom = height - LINE - 2;
  const y = (value: number) => bottom - ((value - scale.bottom) / (scale.top - scale.bottom)) * (bottom - GUTTER);
  const slot = (width - left) / frame.length;
  const every = Math.ceil(Math.max(...names.values.map((name) => textWidth(textOf(names, name)) + GUTTER), 1) / slot);
  return (
    <Canvas width={width} height={height}>
      {scale.ticks.map((tick, place) => (
        <g key={tick}>
          <line x1={left} x2={width} y1={y(tick)} y2={y(tick)} stroke={theme.colors.border.weak} />
          <Label x={left - GUTTER} y={y(tick)} anchor="end" text={labels[place]!} theme={theme} />
        </g>
      ))}
      {Array.from({ length: frame.length }, (_, row) => {
        const pieces = piecesOf(bars, row);
        const bar = (slot * 0.8) / (stacked ? 1 : pieces.length);
        return (
          <g key={row}>
            {pieces.map((piece, place) => (
              <rect
                key={place}
                x={left + row * slot + slot * 0.1 + (stacked ? 0 : place * bar)}
                width={bar}
                y={Math.min(y(piece.from), y(piece.to))}
                height={Math.abs(y(piece.from) - y(piece.to))}
                fill={pieceColor(piece, theme)}
                fillOpacity={(piece.field.config.custom?.fillOpacity ?? 80) / 100}
              />
            ))}
            {row % every === 0 && (
              <Label x={left + (row + 0.5) * slot} y={bottom + LINE / 2 + 2} anchor="middle" text={textOf(names, names.values[row])} theme={theme} />
            )}
          </g>
        );
      })}
    </Canvas>
  );
}

function Horizontal(bars: Sized) {
  const { frame, fields, names, stacked, theme, width, height } = bars;
  const scale = extent(bars);
  const left = Math.min(width * 0.4, Math.max(...names.values.map((name) => textWidth(textOf(names, name)))) + GUTTER);
  const right = width - 48;
  const bottom = height - LINE - 2;
  const x = (value: number) => left + ((value - scale.bottom) / (scale.top - scale.bottom)) * (right - left);
  const slot = bottom / frame.length;
  return (
    <Canvas width={width} height={height}>
      {scale.ticks.map((tick) => (
        <g key={tick}>
          <line x1={x(tick)} x2={x(tick)} y1={0} y2={bottom} stroke={theme.colors.border.weak} />
          <Label x={x(tick)} y={bottom + LINE / 2 + 2} anchor="middle" text={textOf(fields[0]!, tick)} theme={theme} />
        </g>
      ))}
      {Array.from({ length: frame.length }, (_, row) => {
        const pieces = piecesOf(bars, row);
        const bar = (slot * 0.8) / (stacked ? 1 : pieces.length);
        const last = pieces.at(-1);
        return (
          <g key={row}>
            <Label x={left - GUTTER} y={(row + 0.5) * slot} anchor="end" text={shortened(textOf(names, names.values[row]), left - GUTTER)} theme={theme} />
            {pieces.map((piece, place) => (
              <rect
                key={place}
                y={row * slot + slot * 0.1 + (stacked ? 0 : place * bar)}
                height={bar}
                x={Math.min(x(piece.from), x(piece.to))}
                width={Math.abs(x(piece.from) - x(piece.to))}
                fill={pieceColor(piece, theme)}
                fillOpacity={(piece.field.config.custom?.fillOpacity ?? 80) / 100}
              />
            ))}
            {fields.length === 1 && last && (
              <Label x={x(Math.max(last.to, 0)) + 4} y={(row + 0.5) * slot} anchor="start" text={textOf(last.field, last.value)} theme={theme} />
            )}
          </g>
        );
      })}
    </Canvas>
  );
}

export function StatusHistoryPanel({ panel, prepared, timeRange, width, height }: VisualizationProps) {
  const theme = useTheme2();
  const frame = prepared.frames.find((candidate) => candidate.length > 0);
  const time = frame?.fields.find((field) => field.type === FieldType.time);
  const rows = frame?.fields.filter((field) => field !== time) ?? [];
  if (!frame || !time || rows.length === 0) {
    return <NoData panel={panel} />;
  }
  const names = rows.map((field) => getFieldDisplayName(field, frame));
  const left = Math.min(width * 0.3, Math.max(...names.map(textWidth)) + 2 * GUTTER);
  const bottom = height - LINE;
  const slot = bottom / rows.length;
  const from = timeRange.from.valueOf();
  const to = timeRange.to.valueOf();
  const x = (moment: number) => left + ((moment - from) / (to - from)) * (width - left);
  const step = Math.min(...time.values.slice(1).map((moment, place) => moment - time.values[place]), to - from);
  const cell = x(from + step) - left;
  const share = panel.options?.rowHeight ?? 0.9;
  const column = panel.options?.colWidth ?? 0.9;
  const every = Math.ceil(70 / cell);
  return (
    <Canvas width={width} height={height}>
      {rows.map((field, row) => (
        <g key={names[row]}>
          <Label x={left - GUTTER} y={(row + 0.5) * slot} anchor="end" text={shortened(names[row]!, left - GUTTER)} theme={theme} />
          {time.values.map((moment, place) => (
            <Cell key={moment} left={left} field={field} value={field.values[place]} x={x(moment) - (cell * column) / 2} width={cell * column} y={row * slot} slot={slot} share={share} />
          ))}
        </g>
      ))}
      {time.values.map((moment, place) =>
        place % every === 0 && x(moment) > left + 10 ? (
          <Label key={moment} x={x(moment)} y={bottom + LINE / 2} anchor="middle" text={dateTimeFormat(moment, { format: "MM/DD", timeZone: "utc" })} theme={theme} />
        ) : null,
      )}
    </Canvas>
  );
}

interface CellProps {
  left: number;
  field: Field;
  value: unknown;
  x: number;
  width: number;
  y: number;
  slot: number;
  share: number;
}

function Cell({ left, field, value, x, width, y, slot, share }: CellProps) {
  // The first day of the range may begin before it.
  if (value == null || x < left) {
    return null;
  }
  const opacity = (field.config.custom?.fillOpacity ?? 70) / 100;
  return <rect x={x} width={width} y={y + (slot * (1 - share)) / 2} height={slot * share} fill={field.display?.(value).color} fillOpacity={opacity} />;
}

function Canvas({ width, height, children }: { width: number; height: number; children: ReactNode }) {
  return (
    <svg width={width} height={height} className={css({ display: "block", overflow: "hidden" })}>
      {children}
    </svg>
  );
}

interface LabelProps {
  x: number;
  y: number;
  anchor: "start" | "middle" | "end";
  text: string;
  theme: GrafanaTheme2;
}

function Label({ x, y, anchor, text, theme }: LabelProps) {
  return (
    <text x={x} y={y} textAnchor={anchor} dominantBaseline="central" fontSize={FONT} fontFamily={theme.typography.fontFamily} fill={theme.colors.text.primary}>
      {text}
    </text>
  );
}
