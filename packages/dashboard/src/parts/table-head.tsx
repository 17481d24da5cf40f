/** The first row of a table: names of columns, those of numbers set to the right like their figures. */
export const TableHead = ({ columns }: { columns: readonly (string | { readonly number: string })[] }) => (
  <thead>
    <tr>
      {columns.map((column) =>
        typeof column === "string" ? (
          <th key={column} scope="col">
            {column}
          </th>
        ) : (
          <th key={column.number} scope="col" class="number">
            {column.number}
          </th>
        ),
      )}
    </tr>
  </thead>
);
