// From the JSON of an answer to fields with units, colours and texts, by the rules that Grafana itself applies.
import {
  applyFieldOverrides,
  cacheFieldDisplayNames,
  type DataFrame,
  dataFrameFromJSON,
  type DataFrameJSON,
  type DataTransformerConfig,
  FieldColorModeId,
  displayNameOverrideProcessor,
  type FieldConfigPropertyItem,
  FieldConfigOptionsRegistry,
  type FieldConfigSource,
  type GrafanaTheme2,
  type InterpolateFunction,
  standardTransformers,
  standardTransformersRegistry,
  transformDataFrame,
} from "@grafana/data";
import { firstValueFrom } from "rxjs";
import type { Panel } from "./model";

standardTransformersRegistry.setInit(() =>
  Object.values(standardTransformers).map((transformation) => ({
    id: transformation.id,
    name: transformation.name,
    transformation: () => Promise.resolve(transformation),
    editor: () => null,
    imageDark: "",
    imageLight: "",
  })) as never,
);

const STANDARD = [
  "displayName", "unit", "min", "max", "fieldMinMax", "decimals", "noValue", "color", "thresholds", "mappings", "links", "actions", "filterable",
];

// What the visualizations set when a dashboard does not say.
const GRAPH = {
  drawStyle: "line", lineInterpolation: "linear", lineWidth: 1, fillOpacity: 0, gradientMode: "none", barAlignment: 0, barWidthFactor: 0.6,
  showPoints: "auto", pointSize: 5, spanNulls: false, axisPlacement: "auto", axisGridShow: true, axisBorderShow: false,
  stacking: { mode: "none", group: "A" }, thresholdsStyle: { mode: "off" }, scaleDistribution: { type: "linear" },
};
const CUSTOM: Record<string, object> = {
  timeseries: GRAPH,
  barchart: { ...GRAPH, fillOpacity: 80 },
  table: { align: "auto", cellOptions: { type: "auto" } },
  "state-timeline": { fillOpacity: 70, lineWidth: 0 },
  "status-history": { fillOpacity: 70, lineWidth: 1 },
};
const PALETTE = new Set(["timeseries", "barchart", "piechart"]);

function withDefaults(panel: Panel): FieldConfigSource {
  const { defaults = {}, overrides = [] } = panel.fieldConfig ?? {};
  const mode = PALETTE.has(panel.type) ? FieldColorModeId.PaletteClassic : FieldColorModeId.Thresholds;
  return {
    defaults: { ...defaults, color: defaults.color ?? { mode }, custom: { ...CUSTOM[panel.type], ...defaults.custom } },
    overrides,
  };
}

/** Grafana's own registry lives in its application; here every property that the panel names is taken as it is. */
function registry(config: FieldConfigSource): FieldConfigOptionsRegistry {
  const overridden = config.overrides.flatMap((rule) => rule.properties.map((property) => property.id));
  const custom = new Set([
    ...Object.keys(config.defaults.custom ?? {}),
    ...overridden.filter((id) => id.startsWith("custom.")).map((id) => id.slice("custom.".length)),
  ]);
  const items = [...STANDARD.map((path) => property(path, false)), ...[...custom].map((path) => property(path, true))];
  return new FieldConfigOptionsRegistry(() => items);
}

function property(path: string, isCustom: boolean): FieldConfigPropertyItem {
  const nothing = () => null;
  return {
    id: isCustom ? `custom.${path}` : path,
    path,
    name: path,
    isCustom,
    process: path === "displayName" ? displayNameOverrideProcessor : (value) => value,
    shouldApply: () => true,
    editor: nothing,
    override: nothing,
  };
}

export interface Prepared {
  frames: DataFrame[];
  config: FieldConfigSource;
}

export async function prepare(
  panel: Panel,
  answers: DataFrameJSON[],
  theme: GrafanaTheme2,
  replaceVariables: InterpolateFunction,
): Promise<Prepared> {
  const config = withDefaults(panel);
  const steps = (panel.transformations ?? []).filter((step: DataTransformerConfig) => !step.disabled);
  const raw = answers.map((answer) => dataFrameFromJSON(answer));
  const data = await firstValueFrom(transformDataFrame(steps, raw, { interpolate: replaceVariables }));
  const frames = applyFieldOverrides({
    data, fieldConfig: config, fieldConfigRegistry: registry(config), replaceVariables, theme, timeZone: "utc",
  });
  // As Grafana does before it draws: tables look at nothing else for the names of their columns.
  cacheFieldDisplayNames(frames);
  return { frames, config };
}
