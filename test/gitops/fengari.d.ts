/** The part of fengari's API that the tests use: Lua's C API. */
declare module 'fengari' {
  export type LuaState = { readonly lua: unique symbol };
  type Index = number;
  export const lua: {
    readonly LUA_OK: number;
    readonly LUA_TNIL: number;
    readonly LUA_TSTRING: number;
    readonly LUA_TTABLE: number;
    lua_createtable(state: LuaState, arrayLength: number, members: number): void;
    lua_getfield(state: LuaState, index: Index, name: Uint8Array): number;
    lua_pcall(state: LuaState, args: number, results: number, handler: Index): number;
    lua_pop(state: LuaState, count: number): void;
    lua_pushboolean(state: LuaState, value: boolean): void;
    lua_pushnil(state: LuaState): void;
    lua_pushnumber(state: LuaState, value: number): void;
    lua_pushstring(state: LuaState, value: Uint8Array): void;
    lua_setfield(state: LuaState, index: Index, name: Uint8Array): void;
    lua_setglobal(state: LuaState, name: Uint8Array): void;
    lua_seti(state: LuaState, index: Index, position: number): void;
    lua_tojsstring(state: LuaState, index: Index): string;
    lua_type(state: LuaState, index: Index): number;
  };
  export const lauxlib: {
    luaL_loadstring(state: LuaState, text: Uint8Array): number;
    luaL_newstate(): LuaState;
    luaL_requiref(state: LuaState, name: Uint8Array, open: unknown, global: boolean): void;
  };
  export const lualib: { readonly luaopen_base: unknown; readonly luaopen_table: unknown };
  export function to_luastring(text: string): Uint8Array;
}
