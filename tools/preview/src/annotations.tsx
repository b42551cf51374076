// Annotations as Grafana draws them: a dashed line with a mark at the bottom, or a region with a bar at the bottom.
import { colorManipulator, dataFrameFromJSON, type DataFrame, type GrafanaTheme2 } from "@grafana/data";
import { type UPlotConfigBuilder, useTheme2 } from "@grafana/ui";
import { useMemo } from "react";
import type uPlot from "uplot";
import type { Annotation } from "./model";

interface Event {
  from: number;
  to: number | undefined;
  color: string;
}

export function eventsOf(annotations: Annotation[], theme: GrafanaTheme2): Event[] {
  return annotations.flatMap(({ iconColor, frames }) =>
    frames.map((json) => dataFrameFromJSON(json)).flatMap((frame) => rows(frame, theme.visualization.getColorByName(iconColor))),
  );
}

function rows(frame: DataFrame, color: string): Event[] {
  const column = (name: string) => frame.fields.find((field) => field.name.toLowerCase() === name)?.values;
  const from = column("time") ?? [];
  const to = column("timeend");
  return from.map((start: number, row: number) => ({ from: start, to: to?.[row] > start ? to?.[row] : undefined, color }));
}

export function Annotations({ config, annotations }: { config: UPlotConfigBuilder; annotations: Annotation[] }) {
  const theme = useTheme2();
  // The builder outlives a render, and its hooks cannot be taken back.
  useMemo(() => {
    const events = eventsOf(annotations, theme);
    config.addHook("draw", (plot) => drawEvents(plot, events));
  }, [config, annotations, theme]);
  return null;
}

const BAR = 5;

function drawEvents(plot: uPlot, events: Event[]): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height + BAR);
  ctx.clip();
  for (const event of events) {
    const left = plot.valToPos(event.from, "x", true);
    line(plot, left, event.color);
    if (event.to === undefined) {
      mark(plot, left, event.color);
    } else {
      const right = plot.valToPos(event.to, "x", true);
      ctx.fillStyle = colorManipulator.alpha(event.color, 0.1);
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
      ctx.fillStyle = event.color;
      ctx.fillRect(left, bbox.top + bbox.height, right - left, BAR);
      line(plot, right, event.color);
    }
  }
  ctx.restore();
}

function line({ ctx, bbox }: uPlot, x: number, color: string): void {
  ctx.beginPath();
  ctx.lineWidth = 2;
  ctx.strokeStyle = color;
  ctx.setLineDash([5, 5]);
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
}

function mark({ ctx, bbox }: uPlot, x: number, color: string): void {
  const bottom = bbox.top + bbox.height;
  ctx.beginPath();
  ctx.fillStyle = color;
  ctx.moveTo(x - BAR, bottom + BAR);
  ctx.lineTo(x + BAR, bottom + BAR);
  ctx.lineTo(x, bottom);
  ctx.fill();
}
