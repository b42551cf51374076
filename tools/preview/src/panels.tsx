// The visualizations. Those that Grafana's library has are Grafana's own; the rest are in standins.tsx.
import {
  CoreApp,
  type DisplayValue,
  EventBusSrv,
  type FieldDisplay,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  type InterpolateFunction,
  type TimeRange,
  VizOrientation,
} from "@grafana/data";
import {
  BarGauge,
  BigValue,
  Gauge,
  PanelContextProvider,
  TimeSeries,
  useTheme2,
  VizRepeater,
  type VizRepeaterRenderValueProps,
} from "@grafana/ui";
import { TableNG } from "@grafana/ui/unstable";
import type { ComponentType } from "react";
import { Annotations } from "./annotations";
import type { Prepared } from "./fields";
import type { Annotation, Panel } from "./model";
import { NoData } from "./nodata";
import { BarChartPanel, StatusHistoryPanel } from "./standins";

export interface VisualizationProps {
  panel: Panel;
  prepared: Prepared;
  annotations: Annotation[];
  timeRange: TimeRange;
  width: number;
  height: number;
  replace: InterpolateFunction;
}

const BY_TYPE: Record<string, ComponentType<VisualizationProps>> = {
  timeseries: TimeSeriesPanel,
  stat: StatPanel,
  bargauge: BarGaugePanel,
  gauge: GaugePanel,
  table: TablePanel,
  barchart: BarChartPanel,
  "status-history": StatusHistoryPanel,
};

export function Visualization(props: VisualizationProps) {
  const Drawn = BY_TYPE[props.panel.type];
  if (!Drawn) {
    throw new Error(`There is no way to draw ${props.panel.type}`);
  }
  const context = { eventBus: new EventBusSrv(), eventsScope: "preview", app: CoreApp.Dashboard };
  return (
    <PanelContextProvider value={context}>
      <Drawn {...props} />
    </PanelContextProvider>
  );
}

function TimeSeriesPanel({ panel, prepared, annotations, timeRange, width, height }: VisualizationProps) {
  const frames = prepared.frames.filter((frame) => frame.length > 0);
  if (frames.length === 0) {
    return <NoData panel={panel} />;
  }
  return (
    <TimeSeries
      frames={frames}
      timeRange={timeRange}
      timeZone="utc"
      width={width}
      height={height}
      legend={{ showLegend: true, displayMode: "list", placement: "bottom", calcs: [], ...panel.options?.legend }}
      options={panel.options}
    >
      {(config) => <Annotations config={config} annotations={annotations} />}
    </TimeSeries>
  );
}

function useDisplayValues({ panel, prepared, replace }: VisualizationProps, sparkline: boolean): () => FieldDisplay[] {
  const theme = useTheme2();
  return () =>
    getFieldDisplayValues({
      fieldConfig: prepared.config,
      reduceOptions: { calcs: ["lastNotNull"], ...panel.options?.reduceOptions },
      replaceVariables: replace,
      theme,
      data: prepared.frames,
      sparkline,
      percentChange: panel.options?.showPercentChange,
      timeZone: "utc",
    });
}

interface RepeatedProps {
  source: VisualizationProps;
  sparkline?: boolean;
  render: (value: VizRepeaterRenderValueProps<FieldDisplay, ReturnType<typeof getDisplayValueAlignmentFactors>>) => React.JSX.Element;
}

function Repeated({ source, sparkline = false, render }: RepeatedProps) {
  const { panel, width, height } = source;
  return (
    <VizRepeater
      getValues={useDisplayValues(source, sparkline)}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={render}
      width={width}
      height={height}
      source={source.prepared}
      renderCounter={0}
      itemSpacing={panel.type === "stat" ? 3 : 8}
      autoGrid={panel.type !== "bargauge"}
      minVizWidth={panel.type === "bargauge" ? (panel.options?.minVizWidth ?? 8) : undefined}
      minVizHeight={panel.type === "bargauge" ? (panel.options?.minVizHeight ?? 16) : undefined}
      maxVizHeight={panel.type === "bargauge" ? (panel.options?.maxVizHeight ?? 300) : undefined}
      orientation={panel.options?.orientation ?? VizOrientation.Auto}
    />
  );
}

function StatPanel(props: VisualizationProps) {
  const theme = useTheme2();
  const options = props.panel.options ?? {};
  const graphMode = options.graphMode ?? "area";
  return (
    <Repeated
      source={props}
      sparkline={graphMode !== "none"}
      render={({ value, width, height, count, alignmentFactors }) => (
        <BigValue
          value={value.display}
          sparkline={value.sparkline && { ...value.sparkline, timeRange: props.timeRange }}
          count={count}
          graphMode={graphMode}
          colorMode={options.colorMode ?? "value"}
          justifyMode={options.justifyMode ?? "auto"}
          textMode={options.textMode ?? "auto"}
          percentChangeColorMode={options.percentChangeColorMode}
          text={options.text}
          alignmentFactors={alignmentFactors}
          width={width}
          height={height}
          theme={theme}
        />
      )}
    />
  );
}

function withoutNameOfTheOnlyOne(count: number, named: boolean, display: DisplayValue): DisplayValue {
  return count === 1 && !named ? { ...display, title: undefined } : display;
}

function BarGaugePanel(props: VisualizationProps) {
  const theme = useTheme2();
  const options = props.panel.options ?? {};
  const named = Boolean(props.prepared.config.defaults.displayName);
  return (
    <Repeated
      source={props}
      render={({ value, width, height, count, orientation, alignmentFactors }) => (
        <BarGauge
          value={withoutNameOfTheOnlyOne(count, named, value.display)}
          field={value.field}
          display={value.view && value.colIndex !== undefined ? value.view.getFieldDisplayProcessor(value.colIndex) : undefined}
          width={width}
          height={height}
          orientation={orientation}
          displayMode={options.displayMode ?? "gradient"}
          itemSpacing={options.displayMode === "lcd" ? 2 : 10}
          showUnfilled={options.showUnfilled ?? true}
          valueDisplayMode={options.valueMode ?? "color"}
          namePlacement={options.namePlacement ?? "auto"}
          text={options.text}
          alignmentFactors={alignmentFactors}
          theme={theme}
        />
      )}
    />
  );
}

function GaugePanel(props: VisualizationProps) {
  const theme = useTheme2();
  const options = props.panel.options ?? {};
  return (
    <Repeated
      source={props}
      render={({ value, width, height, count }) => (
        <Gauge
          value={withoutNameOfTheOnlyOne(count, false, value.display)}
          field={value.field}
          width={width}
          height={height}
          text={options.text}
          showThresholdLabels={options.showThresholdLabels ?? false}
          showThresholdMarkers={options.showThresholdMarkers ?? true}
          theme={theme}
        />
      )}
    />
  );
}

function TablePanel({ panel, prepared, timeRange, width, height }: VisualizationProps) {
  const options = panel.options ?? {};
  const frame = prepared.frames[options.frameIndex ?? 0];
  if (!frame || frame.fields.length === 0 || frame.length === 0) {
    return <NoData panel={panel} />;
  }
  return (
    <TableNG
      data={frame}
      width={width}
      height={height}
      noHeader={options.showHeader === false}
      cellHeight={options.cellHeight ?? "sm"}
      initialSortBy={options.sortBy}
      enablePagination={options.enablePagination ?? options.footer?.enablePagination}
      frozenColumns={options.frozenColumns?.left}
      timeRange={timeRange}
      fieldConfig={prepared.config}
      enableVirtualization={false}
      structureRev={1}
    />
  );
}
