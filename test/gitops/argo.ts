/** Runs a health script as Argo CD does: the object is the global `obj`, only the base and table functions are there. */
import { lauxlib, lua, lualib, type LuaState, to_luastring } from 'fengari';

export interface ArgoHealth {
  readonly status: string;
  readonly message: string;
}

/** @throws Error with Lua's message, and where the script returns no table. */
export function argoHealth(script: string, object: object): ArgoHealth {
  const state = lauxlib.luaL_newstate();
  for (const [name, open] of [
    ['_G', lualib.luaopen_base],
    ['table', lualib.luaopen_table],
  ] as const) {
    lauxlib.luaL_requiref(state, to_luastring(name), open, true);
    lua.lua_pop(state, 1);
  }
  push(state, object);
  lua.lua_setglobal(state, to_luastring('obj'));
  const loaded = lauxlib.luaL_loadstring(state, to_luastring(script));
  if (loaded !== lua.LUA_OK || lua.lua_pcall(state, 0, 1, 0) !== lua.LUA_OK)
    throw new Error(lua.lua_tojsstring(state, -1));
  if (lua.lua_type(state, -1) !== lua.LUA_TTABLE) throw new Error('the script returned no table');
  return { status: field(state, 'status'), message: field(state, 'message') };
}

function field(state: LuaState, name: string): string {
  const type = lua.lua_getfield(state, -1, to_luastring(name));
  if (type !== lua.LUA_TSTRING) throw new Error(`${name} is no string`);
  const text = lua.lua_tojsstring(state, -1);
  lua.lua_pop(state, 1);
  return text;
}

/** As Argo CD's decoder: every number is a float, null is nil. */
function push(state: LuaState, value: unknown): void {
  if (typeof value === 'string') lua.lua_pushstring(state, to_luastring(value));
  else if (typeof value === 'number') lua.lua_pushnumber(state, value);
  else if (typeof value === 'boolean') lua.lua_pushboolean(state, value);
  else if (Array.isArray(value)) {
    lua.lua_createtable(state, value.length, 0);
    for (const [i, member] of value.entries()) {
      push(state, member);
      lua.lua_seti(state, -2, i + 1);
    }
  } else if (typeof value === 'object' && value !== null) {
    lua.lua_createtable(state, 0, 0);
    for (const [name, member] of Object.entries(value)) {
      push(state, member);
      lua.lua_setfield(state, -2, to_luastring(name));
    }
  } else lua.lua_pushnil(state);
}
