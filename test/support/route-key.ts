/** The route key that API Gateway gives to a request of a declared route. */
import { routes } from "@ebb/functions/declarations";
import { Router } from "@ebb/home/router";

const router = new Router(routes);

/** @param path an address, or the path of a route as it is declared */
export const routeKeyOf = (method: string, path: string): string => {
  const found = router.find(method, path);
  return found !== undefined && "route" in found ? `${method} ${found.route.path}` : `${method} ${path}`;
};
