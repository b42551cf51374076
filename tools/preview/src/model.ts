// What the Python side hands to the page: a dashboard as Grafana would load it, and the answers to its queries.
import type { DataFrameJSON, DataTransformerConfig, FieldConfigSource } from "@grafana/data";

export interface Panel {
  id: number;
  type: string;
  title?: string;
  description?: string;
  transparent?: boolean;
  collapsed?: boolean;
  panels?: Panel[];
  gridPos: { x: number; y: number; w: number; h: number };
  fieldConfig?: FieldConfigSource;
  transformations?: DataTransformerConfig[];
  /** Each visualization has its own. */
  options?: any;
}

export interface Annotation {
  name: string;
  iconColor: string;
  filter?: { exclude?: boolean; ids: number[] } | null;
  frames: DataFrameJSON[];
}

export interface Preview {
  dashboard: { title: string; description?: string; panels: Panel[] };
  range: { from: number; to: number; text: string };
  /** Variables as the bar at the top shows them. */
  variables: { name: string; label: string; text: string; hidden: boolean }[];
  answers: Record<string, { frames: DataFrameJSON[]; error?: string }>;
  annotations: Annotation[];
}
