// Variables in titles, names and links; those in queries were expanded before.
import type { Field, InterpolateFunction, ScopedVars } from "@grafana/data";
import type { Preview } from "./model";

const VARIABLE = /\$\{([\w.]+)(?::\w+)?\}|\$(\w+)/g;
const LABEL = "__field.labels.";

export function interpolation(preview: Preview): InterpolateFunction {
  const texts = new Map(preview.variables.map((variable) => [variable.name, variable.text]));
  return (target, scoped) =>
    target?.replace(VARIABLE, (whole: string, braced?: string, bare?: string) => {
      const name = braced ?? bare ?? "";
      return texts.get(name) ?? ofField(name, scoped) ?? whole;
    }) ?? "";
}

function ofField(name: string, scoped?: ScopedVars): string | undefined {
  const field: Field | undefined = scoped?.__dataContext?.value.field;
  if (name === "__field.name") {
    return field?.name;
  }
  return name.startsWith(LABEL) ? field?.labels?.[name.slice(LABEL.length)] : undefined;
}
